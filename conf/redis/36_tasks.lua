-- Tasks: due, claimed, finished; by the sidecar and by hand.

local settle_task -- below

do -- a scope of its own: a chunk holds 200 local names at most

-- Removals that miss their target are rows, too, and webhooks are told.
local function tell_overdue(c, out)
    local before = #out
    revokes.push_overdue(c, out)
    for i = before + 1, #out, 4 do
        local of = within(c, out[i])
        notice(of, 'revoke.late', out[i + 1], out[i + 2], call('HGET',
            task_key(of, out[i + 1]), 'user') or '')
    end
end

-- task_due <limit>: tasks of the shard that are due and have room at their
-- apps, of so many apps, reserved for the caller for a moment.  Answers OK
-- <ms to the next or empty> { <workspace> <task> <app> <kind> }...; with the
-- kind verify, and no task, an app whose list is to verify removals; overdue:
-- a removal that misses its target, to be told once.
register('task_due', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.shard .. 'due'
    local out = { 'OK', '' }
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf',
        number_text(c.now), 'LIMIT', '0', tonumber(args[4]))) do
        local workspace, app = string.match(member, '^(%S+) (%S+)$')
        delivery.visit(within(c, workspace), app, RESERVED, out)
    end
    local verify = push_verify(c, out)
    tell_overdue(c, out)
    local first = tonumber(call('ZRANGE', key, '0', '0', 'WITHSCORES')[2] or '')
    if first or verify then
        out[2] = number_text(math.min(first or verify, verify or first)
            - c.now)
    end
    return out
end, { 'allow-oom' })

-- Another sidecar may have tried what was handed out here, too: it waits for
-- its time then, or in no queue, for a list.
local function claimable(c, task, id)
    local state, lease = task[1], tonumber(task[2] or '') or 0
    if state == 'waiting' then
        return delivery.is_queued(c, task[6], task[5], id, RESERVED)
    end
    return state == 'queued' or (state == 'running' and lease < c.now)
end

-- task_claim <task> <owner> <lease ms>: before the call is made it is noted
-- that it may have been made.  Answers OK <unknown before> <attempt> <kind>
-- <app> <user> <app record> <user record> grant field... <attempts that do
-- not count> <looks that showed who was removed>, or WAIT <ms>: the app takes
-- no calls now, or LATER: this task.
function claim_task(c, id, owner, lease_ms)
    local key = task_key(c, id)
    local task = call('HMGET', key, 'state', 'leaseUntil', 'unknown',
        'attempts', 'kind', 'app', 'user', 'excused', 'looks')
    if not task[1] then
        return { 'NOTFOUND' }
    end
    if not claimable(c, task, id) then
        if task[1] ~= 'running' and task[1] ~= 'waiting' then
            -- it is over: nobody is to ask again
            delivery.drop(c, task[6], id)
        end
        return { 'STATE' }
    end
    -- after an outage nobody's attempt in it is a repetition
    local wait, alone = delivery.admit(c, task[6], tonumber(task[4])
        > (tonumber(task[8] or '') or 0), task[5])
    if wait then
        if task[1] == 'running' then -- its lease ran out: it waits like others
            move_task(c, id, 'running', 'waiting')
        end
        delivery.enqueue(c, task[6], task[5], id, c.now + (alone and wait
            or 0))
        return alone and { 'LATER' } or { 'WAIT', number_text(wait) }
    end
    local lease = c.now + tonumber(lease_ms)
    local grant = grant_key(c, task[6], task[7])
    move_task(c, id, task[1], 'running')
    call('HSET', key, 'owner', owner, 'leaseUntil', number_text(lease),
        'unknown', '1')
    local attempt = call('HINCRBY', key, 'attempts', '1')
    call('HINCRBY', grant, 'v', '1')
    delivery.run(c, task[6], task[5], id, lease)
    local out = { 'OK', task[3] or '0', attempt, task[5], task[6], task[7],
        call('GET', c.prefix .. 'app:' .. task[6]) or '',
        call('GET', user_key(c, task[7])) or '' }
    push_fields(grant, GRANT_FIELDS, out)
    out[#out + 1] = task[8] or '0'
    out[#out + 1] = task[9] or '0'
    return out
end

register('task_claim', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    return claim_task(c, args[4], args[5], args[6])
end, { 'allow-oom' })

-- task_renew <task> <owner> <attempt> <lease ms>: the call still runs.
register('task_renew', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local held = call('HMGET', task_key(c, args[4]), 'state', 'owner',
        'attempts', 'app')
    if held[1] ~= 'running' or held[2] ~= args[5] or held[3] ~= args[6] then
        return { 'STATE' }
    end
    local lease = c.now + tonumber(args[7])
    call('HSET', task_key(c, args[4]), 'leaseUntil', number_text(lease))
    delivery.renew(c, held[4], args[4], lease)
    return { 'OK' }
end, { 'allow-oom' })

-- task_recover <owner> <task that it works on>...: calls that a former life of
-- this sidecar left behind are due at once, and so are claims whose answer it
-- did not get.  Their outcome is unknown, which the task says.
register('task_recover', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local found, alive = 0, {}
    for i = 5, #args do
        alive[args[i]] = true
    end
    for _, member in ipairs(call('ZRANGE', c.shard .. 'due', '0', '-1')) do
        local workspace, app = string.match(member, '^(%S+) (%S+)$')
        local w = within(c, workspace)
        for _, id in ipairs(call('ZRANGE', app_key(w, app) .. ':running', '0',
            '-1')) do
            local held = call('HMGET', task_key(w, id), 'owner', 'kind')
            if held[1] == args[4] and not alive[id] then
                call('HSET', task_key(w, id), 'leaseUntil', 0)
                delivery.enqueue(w, app, held[2], id, c.now)
                found = found + 1
            end
        end
    end
    return { 'OK', found }
end, { 'allow-oom' })

-- The app has the person no more.  Wanted again meanwhile, or an invite that
-- ran out is followed by another one: the seat is kept for it.
local function finish_removal(c, grant, app, user, before, args)
    local wish = call('HMGET', grant, 'replan', 'sources')
    local again = wish[1] == '1'
    local expired = before == 'expired' and wish[2] ~= '[]'
    call('HSET', grant, 'memberId', '', 'appliedRole', '')
    codes.forget_steps(c, app, user)
    if expired and not again then
        set_state(c, app, user, 'expired', args[13], 'the invite ran out')
        return
    end
    call('HSET', grant, 'sources', '[]')
    set_state(c, app, user, again and 'pending' or 'removed', args[13],
        args[12])
end

-- A reminder is over, whether it got through or not: the invite is where it
-- was.  One that did not is a dead letter like others.
local function finish_reminder(c, id, grant, state)
    if state == 'waiting' then
        return
    end
    if call('HGET', grant, 'task') == id then
        call('HSET', grant, 'task', '')
    end
    if state == 'done' then
        call('EXPIRE', task_key(c, id), TASK_KEPT)
    end
end

local function finish_done(c, task, key, grant, args)
    local kind, app, user = task[4], task[5], task[6]
    local now = call('HMGET', grant, 'state', 'before')
    if kind == 'remove' and args[22] == 'accepted' then
        keep_accepted(c, app, user, '')
    elseif kind == 'remove' then
        call('HSET', grant, 'task', '', 'before', '')
        finish_removal(c, grant, app, user, now[2], args)
    else
        call('HSET', grant, 'task', '', 'before', '', 'appliedRole',
            args[11])
        if kind == 'invite' then
            call('HSET', grant, 'invitedAt', number_text(c.now), 'codeUntil',
                codes.ends(c, app))
            set_state(c, app, user, 'invited', args[13], args[12])
            codes.follow(c, app, user)
        elseif now[1] == 'manual' or now[1] == 'failed' then
            set_state(c, app, user, MEMBER[now[2]] and now[2] or 'invited',
                args[13], args[12])
        end
    end
    call('EXPIRE', key, TASK_KEPT)
end

-- A task ends in, or waits in, `state`: what that means for its grant.
function settle_task(c, id, task, state, args)
    local key = task_key(c, id)
    local grant = grant_key(c, task[5], task[6])
    move_task(c, id, task[1], state)
    if args[10] ~= '' then
        call('HSET', grant, 'memberId', args[10])
    end
    if task[4] == 'remind' then
        finish_reminder(c, id, grant, state)
    elseif state == 'done' then
        finish_done(c, task, key, grant, args)
        if args[22] == 'accepted' then
            revokes.forget(c, task[5], id)
        else
            revokes.finish(c, task[5], id)
        end
    elseif state == 'manual' or state == 'failed' then
        if task[4] == 'role' then -- where the person stands all the same
            call('HSET', grant, 'before', call('HGET', grant, 'state'))
        end
        set_state(c, task[5], task[6], state, args[13], args[12])
    end
    if state ~= 'waiting' then
        notice(c, 'task.' .. state, id, task[5], task[6], 'kind', task[4],
            'attempts', task[3], 'status', args[14] or '')
    end
    call('HINCRBY', grant, 'v', '1')
    if call('HGET', grant, 'replan') == '1' then
        -- a removal that is not over still means to be followed
        if task[4] ~= 'remove' or state == 'done' then
            call('HSET', grant, 'replan', '')
        end
        mark_dirty(c, task[6], c.now)
    end
    return c.woken and '1' or '0'
end

-- One person is refused, others are not: that is an answer.  Everybody is:
-- that is the app, or its credential, which says nothing about the person.
local function judge_failure(c, key, app, outcome)
    call('HSETNX', key, 'failedAt', number_text(c.now))
    outcome.alone = delivery.ok_since(c, app, tonumber(call('HGET', key,
        'failedAt')))
    if outcome.health == 'denied' and outcome.alone then
        outcome.state, outcome.health = 'failed', 'ok'
    elseif outcome.health == 'denied' then
        outcome.health, outcome.max = 'failed', 0
    end
end

local NEVER_KEPT = 20000 -- ms that an app which never worked is given
local NEVER_LOOKED = 20 -- grants that are looked at

-- Did the app ever do what it was asked?
local function has_worked(c, app)
    if delivery.ok_since(c, app, 0) or call('HGET', app_key(c, app)
        .. ':revokes', 'count') then
        return true
    end
    for _, user in ipairs(call('ZRANGE', app_key(c, app) .. ':grants', 0,
        NEVER_LOOKED - 1)) do
        if (call('HGET', grant_key(c, app, user), 'appliedRole') or '')
            ~= '' then
            return true
        end
    end
    return false
end

-- It answers, always with an error of its own, and never worked: that is no
-- outage but a definition that is wrong, and somebody must hear of it.
local function is_hopeless(c, app, outcome)
    local answered = outcome.status > 0 and outcome.status < 400
        or outcome.status >= 500 and outcome.status ~= 503
    return outcome.health == 'failed' and outcome.max > 0 and answered
        and not has_worked(c, app)
end

-- What the answer says about the app, and what that means for the task.
-- Attempts that the app as a whole is to blame for do not count.
local function heed_app(c, key, task, outcome)
    local app, changed = task[5], ''
    if outcome.health == 'denied' or outcome.health == 'failed' then
        judge_failure(c, key, app, outcome)
    end
    if outcome.health == 'ok' or outcome.health == 'failed' then
        changed = delivery.note(c, app, outcome.health, outcome.why)
    end
    if outcome.health == 'limited' then
        delivery.slow_down(c, app, outcome.observed, outcome.pause)
    end
    if outcome.pause > 0 then
        delivery.pause(c, app, outcome.pause)
    end
    if outcome.learned then
        delivery.learn(c, app, outcome.learned, outcome.learned_ms)
    end
    local down = outcome.state == 'waiting' and outcome.health ~= 'ok'
        and delivery.down_until(c, app)
    if down then
        outcome.again = down + 1 - c.now
    end
    local excused = tonumber(task[7] or '') or 0
    local last = outcome.max > 0 and tonumber(task[3]) - excused
        >= outcome.max
    if outcome.state ~= 'waiting' then
        return changed
    end
    if is_hopeless(c, app, outcome) then
        down = nil -- attempts count, also those that find out whether it works
        outcome.alone = c.now - tonumber(call('HGET', key, 'failedAt'))
            >= NEVER_KEPT
    end
    if down or outcome.health == 'limited' or (last and outcome.health
        == 'failed' and not outcome.alone) then
        call('HINCRBY', key, 'excused', '1')
    elseif last then
        outcome.state = 'failed'
    end
    return changed
end

-- task_finish <task> <owner> <attempt> <state> <again in ms> <unknown>
-- <member id> <applied role> <why> <actor> <status> <body> <attempts that
-- count, at most; 0 = no end> <health: ok|failed|denied|limited|empty>
-- <calls a second, empty = not limited> <pause ms>
-- <learned calls a second or empty> <ms that these hold>
-- <a removal: unverified|listed|accepted|empty>.  Answers OK
-- <others are due 0|1> <the app has more tasks 0|1> <state> <again in ms>
-- <down|up|empty> <still listed: to be raised 0|1>
local function finish(c, args)
    local id, key = args[4], task_key(c, args[4])
    local task = call('HMGET', key, 'state', 'owner', 'attempts', 'kind',
        'app', 'user', 'excused', 'cause')
    if task[1] ~= 'running' or task[2] ~= args[5] or task[3] ~= args[6] then
        return { 'STATE' }
    end
    c.cause = read_cause(task[8])
    local outcome = { state = args[7], again = tonumber(args[8]), why =
        args[12], max = tonumber(args[16] or 0), health = args[17] or '',
        observed = tonumber(args[18] or '') or 1,
        pause = tonumber(args[19] or 0), learned = tonumber(args[20] or ''),
        learned_ms = tonumber(args[21] or ''),
        status = tonumber(args[14]) or 0 }
    local changed = heed_app(c, key, task, outcome)
    local unverified = outcome.state == 'done' and args[22] == 'unverified'
        and call('HGET', grant_key(c, task[5], task[6]), 'replan') ~= '1'
    if unverified then
        outcome.state, outcome.again = 'waiting', 500
    end
    local raised = args[22] == 'listed' and note_look(c, task[5], id)
    local next_at = c.now + outcome.again
    call('HSET', key, 'unknown', unverified and 1 or args[9], 'nextAt',
        number_text(next_at), 'owner', '', 'answerStatus', args[14],
        'answerBody', args[15])
    if args[12] ~= '' or task[3] ~= '1' then -- no answer says it better
        call('HSET', key, 'reason', args[12])
    end
    if unverified then
        delivery.drop(c, task[5], id)
        await_list(c, task[5], id)
    elseif outcome.state == 'waiting' then
        delivery.enqueue(c, task[5], task[4], id, next_at)
    else
        delivery.drop(c, task[5], id)
        if task[4] == 'remove' then
            call('ZREM', app_key(c, task[5]) .. ':unconfirmed', id)
        end
    end
    local woken = settle_task(c, id, task, outcome.state, args)
    -- whose place is taken at once need not be told of others
    return { 'OK', woken, args[23] and '' or delivery.more(c, task[5]),
        outcome.state, number_text(outcome.again), changed,
        raised and '1' or '0' }
end

-- With <next task> <lease ms> behind these, that task is claimed in the place
-- of the one that ended, and what task_claim answers is the eighth element.
register('task_finish', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = finish(c, args)
    if args[23] then
        for i = #out + 1, 7 do
            out[i] = ''
        end
        out[8] = claim_task(c, args[23], args[5], args[24])
    end
    return out
end, { 'allow-oom' })

-- probe_all: every app of the shard that is down is tried now.
register('probe_all', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local down = call('ZRANGE', c.shard .. 'down', 0, CHUNK - 1)
    for _, member in ipairs(down) do
        local workspace, app = string.match(member, '^(%S+) (%S+)$')
        delivery.probe(within(c, workspace), app)
    end
    return { 'OK', #down }
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
    call('HSET', key, 'attempts', '0', 'nextAt', number_text(c.now))
    call('HDEL', key, 'excused', 'failedAt', 'looks', 'reason')
    schedule(c, args[4], c.now)
    call('HINCRBY', grant_key(c, task[2], task[3]), 'v', '1')
    because(c, 'task.retry', 'task:' .. args[4], args[5], args[6], task[2])
    if task[4] == 'invite' or task[4] == 'remove' then
        set_state(c, task[2], task[3],
            task[4] == 'remove' and 'removing' or 'pending', args[5],
            'retried by hand')
    else
        audit_operator(c, 'task.retry', 'task:' .. args[4], task[2],
            task[4] .. ' retried by hand', args[5], args[6])
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
    if task[4] ~= 'invite' and task[4] ~= 'remove' then
        audit_operator(c, 'task.done', 'task:' .. args[4], task[5],
            task[4] .. ' done by hand', args[5], args[6])
    end
    append_event(c, 'task.retry', 'task', args[4], 0, args[5], args[6], '')
    return { 'OK' }
end, {})

end
