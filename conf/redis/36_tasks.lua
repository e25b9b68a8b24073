-- Tasks: due, claimed, finished; by the sidecar and by hand.

-- task_due <limit>: tasks of the whole shard that are due, reserved for the
-- caller for a moment.  Answers OK <ms to the next or empty>
-- { <workspace> <task> <app> <kind> }...
register('task_due', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.shard .. 'due'
    local out = { 'OK', '' }
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf',
        number_text(c.now), 'LIMIT', 0, tonumber(args[4]))) do
        call('ZADD', key, number_text(c.now + RESERVED), member)
        local workspace, task = string.match(member, '^(%S+) (%S+)$')
        local known = call('HMGET', c.shard .. workspace .. ':task:' .. task,
            'app', 'kind')
        out[#out + 1] = workspace
        out[#out + 1] = task
        out[#out + 1] = known[1] or ''
        out[#out + 1] = known[2] or ''
    end
    local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    out[2] = first[2] and number_text(tonumber(first[2]) - c.now) or ''
    return out
end, { 'allow-oom' })

local function claimable(c, task)
    local state, lease = task[1], tonumber(task[2] or '') or 0
    return state == 'queued' or state == 'waiting'
        or (state == 'running' and lease < c.now)
end

-- task_claim <task> <owner> <lease ms>: before the call is made it is noted
-- that it may have been made.  Answers OK <unknown before> <attempt> <kind>
-- <app> <user> <app record> <user record> grant fields...
register('task_claim', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, key = args[4], task_key(c, args[4])
    local task = call('HMGET', key, 'state', 'leaseUntil', 'unknown',
        'attempts', 'kind', 'app', 'user')
    if not task[1] then
        schedule(c, id, nil)
        return { 'NOTFOUND' }
    end
    if not claimable(c, task) then
        return { 'STATE' }
    end
    local lease = c.now + tonumber(args[6])
    local grant = grant_key(c, task[6], task[7])
    move_task(c, id, task[1], 'running')
    call('HSET', key, 'owner', args[5], 'leaseUntil', number_text(lease),
        'unknown', 1)
    local attempt = call('HINCRBY', key, 'attempts', 1)
    call('HINCRBY', grant, 'v', 1)
    schedule(c, id, lease)
    local out = { 'OK', task[3] or '0', attempt, task[5], task[6], task[7],
        call('GET', c.prefix .. 'app:' .. task[6]) or '',
        call('GET', user_key(c, task[7])) or '' }
    push_fields(grant, GRANT_FIELDS, out)
    return out
end, { 'allow-oom' })

-- task_renew <task> <owner> <attempt> <lease ms>: the call still runs.
register('task_renew', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local held = call('HMGET', task_key(c, args[4]), 'state', 'owner',
        'attempts')
    if held[1] ~= 'running' or held[2] ~= args[5] or held[3] ~= args[6] then
        return { 'STATE' }
    end
    local lease = c.now + tonumber(args[7])
    call('HSET', task_key(c, args[4]), 'leaseUntil', number_text(lease))
    schedule(c, args[4], lease)
    return { 'OK' }
end, { 'allow-oom' })

-- task_recover <owner>: calls that a former life of this sidecar left behind
-- are due at once.  Their outcome is unknown, which the task says.
register('task_recover', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local due, found = c.shard .. 'due', 0
    for _, member in ipairs(call('ZRANGE', due, 0, -1)) do
        local workspace, task = string.match(member, '^(%S+) (%S+)$')
        local key = c.shard .. workspace .. ':task:' .. task
        local held = call('HMGET', key, 'state', 'owner')
        if held[1] == 'running' and held[2] == args[4] then
            call('HSET', key, 'leaseUntil', 0)
            call('ZADD', due, number_text(c.now), member)
            found = found + 1
        end
    end
    return { 'OK', found }
end, { 'allow-oom' })

-- The app has the person no more.  Wanted again meanwhile: the seat is kept
-- for the invite that follows.
local function finish_removal(c, grant, app, user, args)
    local again = call('HGET', grant, 'replan') == '1'
    call('HSET', grant, 'memberId', '', 'appliedRole', '', 'sources', '[]')
    set_state(c, app, user, again and 'pending' or 'removed', args[13],
        args[12])
end

local function finish_done(c, task, key, grant, args)
    local kind, app, user = task[4], task[5], task[6]
    local now = call('HMGET', grant, 'state', 'before')
    call('HSET', grant, 'task', '', 'before', '')
    if kind == 'remove' then
        finish_removal(c, grant, app, user, args)
    else
        call('HSET', grant, 'appliedRole', args[11])
        if args[10] ~= '' then
            call('HSET', grant, 'memberId', args[10])
        end
        if kind == 'invite' then
            set_state(c, app, user, 'invited', args[13], args[12])
        elseif now[1] == 'manual' or now[1] == 'failed' then
            set_state(c, app, user, MEMBER[now[2]] and now[2] or 'invited',
                args[13], args[12])
        end
    end
    call('EXPIRE', key, TASK_KEPT)
end

-- A task ends in, or waits in, `state`: what that means for its grant.
local function settle_task(c, id, task, state, args)
    local key = task_key(c, id)
    local grant = grant_key(c, task[5], task[6])
    move_task(c, id, task[1], state)
    if args[10] ~= '' then
        call('HSET', grant, 'memberId', args[10])
    end
    if state == 'done' then
        finish_done(c, task, key, grant, args)
    elseif state == 'manual' or state == 'failed' then
        if task[4] == 'role' then -- where the person stands all the same
            call('HSET', grant, 'before', call('HGET', grant, 'state'))
        end
        set_state(c, task[5], task[6], state, args[13], args[12])
    end
    call('HINCRBY', grant, 'v', 1)
    if call('HGET', grant, 'replan') == '1' then
        -- a removal that is not over still means to be followed
        if task[4] ~= 'remove' or state == 'done' then
            call('HSET', grant, 'replan', '')
        end
        mark_dirty(c, task[6], c.now)
    end
    return c.woken and '1' or '0'
end

-- task_finish <task> <owner> <attempt> <state> <again in ms> <unknown>
-- <member id> <applied role> <why> <actor> <status> <body>
register('task_finish', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, key = args[4], task_key(c, args[4])
    local task = call('HMGET', key, 'state', 'owner', 'attempts', 'kind',
        'app', 'user', 'cause')
    if task[1] ~= 'running' or task[2] ~= args[5] or task[3] ~= args[6] then
        return { 'STATE' }
    end
    local state, next_at = args[7], c.now + tonumber(args[8])
    c.cause = read_cause(task[7])
    call('HSET', key, 'unknown', args[9], 'nextAt', number_text(next_at),
        'owner', '', 'answerStatus', args[14], 'answerBody', args[15])
    schedule(c, id, state == 'waiting' and next_at or nil)
    return { 'OK', settle_task(c, id, task, state, args) }
end, { 'allow-oom' })

-- task_retry <task> <actor> <txn>: a failed, manual or waiting task runs now.
register('task_retry', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = task_key(c, args[4])
    local task = call('HMGET', key, 'state', 'app', 'user', 'kind')
    if not task[1] then
        return { 'NOTFOUND' }
    end
    if task[1] ~= 'failed' and task[1] ~= 'waiting' and task[1] ~= 'manual'
    then
        return { 'STATE' }
    end
    move_task(c, args[4], task[1], 'queued')
    call('HSET', key, 'attempts', 0, 'nextAt', number_text(c.now))
    schedule(c, args[4], c.now)
    call('HINCRBY', grant_key(c, task[2], task[3]), 'v', 1)
    because(c, 'task.retry', 'task:' .. args[4], args[5], args[6], task[2])
    if task[4] ~= 'role' then
        set_state(c, task[2], task[3],
            task[4] == 'remove' and 'removing' or 'pending', args[5],
            'retried by hand')
    end
    append_event(c, 'task.retry', 'task', args[4], 0, args[5], args[6], '')
    return { 'OK' }
end, {})

-- task_done <task> <actor> <txn>: a person did what the task asks for.
register('task_done', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = task_key(c, args[4])
    local task = call('HMGET', key, 'state', 'owner', 'attempts', 'kind',
        'app', 'user')
    if not task[1] then
        return { 'NOTFOUND' }
    end
    if task[1] ~= 'manual' and task[1] ~= 'failed' then
        return { 'STATE' }
    end
    local role = call('HGET', grant_key(c, task[5], task[6]), 'accessRole')
        or ''
    schedule(c, args[4], nil)
    because(c, 'task.done', 'task:' .. args[4], args[5], args[6], task[5])
    settle_task(c, args[4], task, 'done', { [10] = '', [11] = role,
        [12] = 'done by hand', [13] = args[5] })
    append_event(c, 'task.retry', 'task', args[4], 0, args[5], args[6], '')
    return { 'OK' }
end, {})

