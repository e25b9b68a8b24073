-- Holds: what the mass-removal guard stopped, and what people decide.

do -- a scope of its own: a chunk holds 200 local names at most

local HOLD_SHOWN = { 'id', 'app', 'state', 'created', 'decided', 'actor',
    'reason' }
local HOLD_USERS = 1000 -- named in a list; the count is always whole

-- holds <app or empty> <state or empty> <after> <limit>
-- → OK <after, to go on, or empty> { id app state created decided actor
-- reason count <n> user... }...
register('holds', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local after, limit, n = args[6], tonumber(args[7]), 0
    local out = { 'OK', '' }
    repeat
        local page = id_page(c.prefix .. 'holds', after, limit + 1)
        for _, id in ipairs(page) do
            local key = c.prefix .. 'hold:' .. id
            local hold = call('HMGET', key, unpack(HOLD_SHOWN))
            if (args[4] == '' or args[4] == hold[2])
                and (args[5] == '' or args[5] == hold[3]) then
                if n == limit then
                    out[2] = after
                    return out
                end
                n = n + 1
                for i = 1, #HOLD_SHOWN do
                    out[#out + 1] = hold[i] or ''
                end
                local users = call('ZRANGE', key .. ':users', 0,
                    HOLD_USERS - 1)
                out[#out + 1] = call('ZCARD', key .. ':users')
                out[#out + 1] = #users
                for _, user in ipairs(users) do
                    out[#out + 1] = user
                end
            end
            after = id
        end
    until #page <= limit
    return out
end, { 'no-writes' })

-- hold_decide <id> <approved|rejected> <reason> <actor> <txn>
register('hold_decide', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, state = args[4], args[5]
    local hold = call('HMGET', c.prefix .. 'hold:' .. id, 'state', 'app')
    if not hold[1] then
        return { 'NOTFOUND' }
    end
    if hold[1] ~= 'open' then
        return { 'STATE' }
    end
    because(c, 'hold.' .. state, 'hold:' .. id, args[7], args[8], hold[2])
    close_hold(c, hold[2], id, state, args[7], args[6])
    append_event(c, 'hold.' .. state, 'hold', id, 0, args[7], args[8], '')
    return { 'OK' }
end, { 'allow-oom' })

end
