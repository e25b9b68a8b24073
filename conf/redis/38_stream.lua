-- The event stream: acknowledging and trimming.

local function id_before(a, b)
    local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
    local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
    a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
    if a_ms ~= b_ms then
        return a_ms < b_ms
    end
    return tonumber(a_seq) < tonumber(b_seq)
end

do -- a scope of its own: a chunk holds 200 local names at most

-- ack <n> id...: the effect of these events is committed.
register('ack', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local ids = {}
    for i = 1, tonumber(args[4]) do
        ids[i] = args[4 + i]
    end
    local done = 0
    for i = 1, #ids, CHUNK do
        done = done + call('XACK', keys[1], 'sidecar',
            unpack(ids, i, math.min(i + CHUNK - 1, #ids)))
    end
    if done > 0 then
        call('HINCRBY', c.shard .. 'dataset', 'committed', done)
    end
    return { 'OK', done }
end, { 'allow-oom' })

-- trim: forgets the events behind the slowest consumer group.
register('trim', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local oldest
    for _, group in ipairs(call('XINFO', 'GROUPS', keys[1])) do
        local info = {}
        for i = 1, #group, 2 do
            info[group[i]] = group[i + 1]
        end
        local needed = info['last-delivered-id']
        if info.pending > 0 then
            needed = call('XPENDING', keys[1], info.name)[2]
        end
        if not oldest or id_before(needed, oldest) then
            oldest = needed
        end
    end
    return { 'OK', oldest and call('XTRIM', keys[1], 'MINID', oldest) or 0 }
end, { 'allow-oom' })

end
