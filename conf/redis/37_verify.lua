-- One listing of an app verifies all removals that were done before it began.

do -- a scope of its own: a chunk holds 200 local names at most

-- verify_begin <app> → OK <app record> { task, member id, address }...
register('verify_begin', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app = args[4]
    local key = app_key(c, app)
    local out = { 'OK', call('GET', key) or '' }
    for _, id in ipairs(call('ZRANGEBYSCORE', key .. ':unverified', '-inf',
        number_text(c.now), 'LIMIT', '0', VERIFY_MAX)) do
        local user = call('HGET', task_key(c, id), 'user')
        if user then
            local grant = call('HMGET', grant_key(c, app, user), 'memberId',
                'email')
            out[#out + 1] = id
            out[#out + 1] = grant[1] or ''
            out[#out + 1] = grant[2] or ''
        else
            call('ZREM', key .. ':unverified', id)
        end
    end
    return out
end, { 'allow-oom' })

-- verify_renew <app>: it is still being listed.
register('verify_renew', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local at = number_text(c.now + VERIFY_LEASE)
    call('ZADD', c.shard .. 'verify', 'XX', at, verify_member(c, args[4]))
    call('HSET', app_key(c, args[4]) .. ':delivery', 'listAfter', at)
    return { 'OK' }
end, { 'allow-oom' })

local function verify_absent(c, app, id, task)
    call('ZREM', app_key(c, app) .. ':unconfirmed', id)
    delivery.drop(c, app, id)
    c.cause = read_cause(call('HGET', task_key(c, id), 'cause'))
    settle_task(c, id, task, 'done', { [10] = '', [11] = '',
        [12] = "the app's list agrees", [13] = 'sidecar' })
end

-- Still there: an invite that was accepted meanwhile is a member to remove;
-- a list that lags is given time; every second look removes once more.
local function verify_present(c, app, id, task, accepted, member, out)
    local raised, looks = note_look(c, app, id)
    local grant = grant_key(c, app, task[6])
    local was = call('HMGET', grant, 'before', 'sources')
    local before = was[1]
    if accepted and before == 'expired' and was[2] ~= '[]' then
        close_task(c, app, task[6])
        keep_accepted(c, app, task[6], member)
        call('HINCRBY', grant, 'v', '1')
        return
    end
    local joined = accepted and before ~= 'accepted' and before ~= 'connected'
    if joined then
        call('HSET', grant, 'before', 'accepted')
    end
    if joined or (looks >= 3 and looks % 2 == 1) then
        if member ~= '' then
            call('HSET', grant, 'memberId', member)
        end
        schedule(c, id, c.now)
    end
    call('HINCRBY', grant, 'v', '1')
    if raised then
        out[#out + 1] = id
    end
end

-- verify_end <app> <next listing in ms, empty = more follow> <n> { task, absent|present|accepted, member id }...
-- → OK <task that is raised>...
register('verify_end', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app, out = args[4], { 'OK' }
    local key = app_key(c, app)
    for i = 0, tonumber(args[6]) - 1 do
        local id, verdict = args[7 + 3 * i], args[8 + 3 * i]
        local task = call('HMGET', task_key(c, id), 'state', 'owner',
            'attempts', 'kind', 'app', 'user')
        if task[1] == 'waiting' and call('ZSCORE', key .. ':unverified', id)
        then
            if verdict == 'absent' then
                verify_absent(c, app, id, task)
            else
                verify_present(c, app, id, task, verdict == 'accepted',
                    args[9 + 3 * i], out)
            end
        end
    end
    if args[5] == '' then
        return out
    end
    local after = number_text(c.now + tonumber(args[5]))
    if call('ZCARD', key .. ':unverified') > 0 then
        call('HSET', key .. ':delivery', 'listAfter', after)
        call('ZADD', c.shard .. 'verify', after, verify_member(c, app))
    else
        call('HDEL', key .. ':delivery', 'listAfter')
        call('ZREM', c.shard .. 'verify', verify_member(c, app))
    end
    return out
end, { 'allow-oom' })

end
