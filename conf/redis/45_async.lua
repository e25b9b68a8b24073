-- Asynchronous requests: kept with their event until a sidecar has executed
-- them, their outcome for a day.
local ASYNC_KEPT = 86400 -- seconds

-- async_put <id> <backlog max> <actor> <n> { field value }×n → OK | BACKLOG
-- | EXISTS: a request that was accepted.
register('async_put', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, backlog, key = args[4], tonumber(args[5]), async_key(c, args[4])
    if backlog > 0 and c.waiting >= backlog then
        return { 'BACKLOG' }
    end
    if call('EXISTS', key) == 1 then
        return { 'EXISTS' }
    end
    call('HSET', key, 'state', 'queued', 'actor', args[6],
        unpack(args, 8, 7 + 2 * tonumber(args[7])))
    append_event(c, 'async.requested', 'async', id, 0, args[6], id, '')
    return { 'OK' }
end, {})

-- async_read <id> → OK { field value }... | NOTFOUND: what is to be executed.
register('async_read', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local fields = call('HGETALL', async_key(c, args[4]))
    if #fields == 0 then
        return { 'NOTFOUND' }
    end
    table.insert(fields, 1, 'OK') -- too many for unpack(), of a Bulk request
    return fields
end, { 'no-writes' })

local function outcomes_key(c, id)
    return async_key(c, id) .. ':outcomes'
end

-- async_finish <id> <resource type> <resource id or empty> <version> <data>
-- → OK | STATE: it is finished already.
register('async_finish', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, key = args[4], async_key(c, args[4])
    local was = call('HMGET', key, 'state', 'actor')
    if was[1] ~= 'queued' then
        return { 'STATE' }
    end
    local event = append_event(c, 'async.completed', args[5], args[6],
        args[7], was[2], id, args[8])
    call('DEL', key) -- the request, body and all
    call('HSET', key, 'state', 'done', 'type', args[5], 'id', args[6], 'v',
        args[7], 'ts', number_text(c.now), 'event', event, 'data', args[8])
    call('EXPIRE', key, ASYNC_KEPT)
    call('EXPIRE', outcomes_key(c, id), ASYNC_KEPT) -- of a Bulk request
    return { 'OK' }
end, { 'allow-oom' })

-- async_finish_bulk <id> <last 0|1> <n> { number, resource type, resource id
-- or empty, version, data }×n → OK | STATE: outcomes of operations of a Bulk
-- request, each told once; those behind the last end the request.
register('async_finish_bulk', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, key = args[4], async_key(c, args[4])
    local was = call('HMGET', key, 'state', 'actor')
    if was[1] ~= 'queued' then
        return { 'STATE' }
    end
    for at = 7, 2 + 5 * tonumber(args[6]), 5 do
        local number, kind, resource, version, data = unpack(args, at, at + 4)
        if call('HEXISTS', outcomes_key(c, id), number) == 0 then
            local event = append_event(c, 'async.completed', kind, resource,
                version, was[2], id .. ':' .. number, data)
            call('HSET', outcomes_key(c, id), number, cmsgpack.pack({ kind,
                resource, version, number_text(c.now), event, data }))
        end
    end
    if args[5] == '1' then
        call('DEL', key) -- the request, body and all
        call('HSET', key, 'state', 'done', 'type', 'bulk')
        call('EXPIRE', key, ASYNC_KEPT)
        call('EXPIRE', outcomes_key(c, id), ASYNC_KEPT)
    end
    return { 'OK' }
end, { 'allow-oom' })

-- async_get <id> → OK <state> <type> <id> <v> <ts> <event id> <data>
-- | NOTFOUND
register('async_get', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local found = call('HMGET', async_key(c, args[4]), 'state', 'type', 'id',
        'v', 'ts', 'event', 'data')
    if not found[1] then
        return { 'NOTFOUND' }
    end
    local out = { 'OK' }
    for i = 1, 7 do
        out[i + 1] = found[i] or ''
    end
    return out
end, { 'no-writes' })

-- async_outcomes <id> <from> <count> → OK { number, resource type, resource
-- id, version, ts, event id, data }...: of the operations with these numbers,
-- as far as they have one.
register('async_outcomes', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local numbers, out = {}, { 'OK' }
    for i = 1, math.min(tonumber(args[6]), CHUNK) do
        numbers[i] = number_text(tonumber(args[5]) + i - 1)
    end
    local found = call('HMGET', outcomes_key(c, args[4]), unpack(numbers))
    for i, packed in ipairs(found) do
        if packed then
            local one = cmsgpack.unpack(packed)
            out[#out + 1] = numbers[i]
            for j = 1, 6 do
                out[#out + 1] = one[j]
            end
        end
    end
    return out
end, { 'no-writes' })
