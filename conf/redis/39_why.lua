-- One person in one app: everything that explains it.

do -- a scope of its own: a chunk holds 200 local names at most

local GRANT_SHOWN = { 'state', 'role', 'accessRole', 'appliedRole',
    'memberId', 'email', 'userName', 'lostAt', 'kept', 'hold', 'heldAs',
    'changed', 'replan' }
local TASK_EXPLAINED = { 'id', 'kind', 'state', 'attempts', 'nextAt',
    'answerStatus', 'answerBody', 'txn', 'unknown' }
local HOLD_EXPLAINED = { 'id', 'state', 'reason' }
local PATH_STEPS = 1000 -- groups looked at to find how somebody is in a team

-- By which group the user is in each group, the shortest way; one that holds
-- the user itself is its own.
local function ways_of(c, user)
    local queue, inner, i = holders(c, 'U' .. user), {}, 1
    for _, group in ipairs(queue) do
        inner[group] = group
    end
    while queue[i] and i <= PATH_STEPS do
        for _, outer in ipairs(outer_groups(c, queue[i])) do
            if not inner[outer] then
                inner[outer] = queue[i]
                queue[#queue + 1] = outer
            end
        end
        i = i + 1
    end
    return inner
end

-- The groups by which the user is in the team, the one that holds the user
-- first; nil when there is no such way.
local function path_to(ways, team)
    local path = { team }
    while ways[path[1]] and ways[path[1]] ~= path[1] do
        table.insert(path, 1, ways[path[1]])
    end
    return ways[team] and path
end

-- JSON array of the names of these groups.
local function names_of(c, groups)
    local names = {}
    for i, group in ipairs(groups or {}) do
        names[i] = call('HGET', names_key(c, 'group'), group) or '""'
    end
    return '[' .. table.concat(names, ',') .. ']'
end

-- <n> { subject, share, team record or empty, names of the groups by which }
local function push_shares(c, app, user, out)
    local shares, count_at = app_key(c, app) .. ':shares', #out + 1
    out[count_at] = 0
    local function push(subject, record, path)
        local share = call('HGET', shares, subject)
        if share then
            out[count_at] = out[count_at] + 1
            for _, one in ipairs({ subject, share, record, path }) do
                out[#out + 1] = one
            end
        end
    end
    local ways = ways_of(c, user)
    for _, team in ipairs(call('ZRANGE', user_key(c, user) .. ':teams', '0',
        '-1')) do
        if call('HEXISTS', shares, 'team:' .. team) == 1 then
            push('team:' .. team, call('GET', c.prefix .. 'team:' .. team)
                or '', names_of(c, path_to(ways, team)))
        end
    end
    push('user:' .. user, '', '[]')
end

-- <n> { audit entry }: what the grant remembers of its past, oldest first
local function push_trail(c, key, out)
    local count_at = #out + 1
    out[count_at] = 0
    for id in string.gmatch(call('HGET', key, 'trail') or '', '[^ ]+') do
        if push_audit(out, call('XRANGE', c.prefix .. 'audit', id, id)[1])
        then
            out[count_at] = out[count_at] + 1
        end
    end
end

-- why <app> <user> → OK <grant fields> <user record> <app record> <seated 0|1>
-- <place in line or empty> <seats in use> <waiting> <hold fields> <task fields>
-- <n> { subject share team path } <n> { audit entry } | NOTFOUND app|member
register('why', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app, user = args[4], args[5]
    local key, record = grant_key(c, app, user), call('GET', app_key(c, app))
    if not record then
        return { 'NOTFOUND', 'app' }
    end
    local out = { 'OK' }
    push_fields(key, GRANT_SHOWN, out)
    local hold, known = out[11], out[2] ~= ''
    out[#out + 1] = call('GET', user_key(c, user)) or ''
    out[#out + 1] = record
    out[#out + 1] = call('ZSCORE', app_key(c, app) .. ':seated', user)
        and '1' or '0'
    local place = call('ZRANK', app_key(c, app) .. ':waiting', user)
    out[#out + 1] = place and number_text(place + 1) or ''
    out[#out + 1] = call('ZCARD', app_key(c, app) .. ':seated')
    out[#out + 1] = call('ZCARD', app_key(c, app) .. ':waiting')
    push_fields(c.prefix .. 'hold:' .. hold, HOLD_EXPLAINED, out)
    push_fields(task_key(c, call('HGET', key, 'task') or ''), TASK_EXPLAINED,
        out)
    local shares_at = #out + 1
    push_shares(c, app, user, out)
    if not known and out[shares_at] == 0 then
        return { 'NOTFOUND', 'member' }
    end
    push_trail(c, key, out)
    return out
end, { 'no-writes' })

end
