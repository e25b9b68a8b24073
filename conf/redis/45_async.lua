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
    return #fields > 0 and { 'OK', unpack(fields) } or { 'NOTFOUND' }
end, { 'no-writes' })

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
