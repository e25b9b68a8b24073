-- Teams, grants, tasks: what the sidecar commits.

local TASK_KEPT = 7 * 86400 -- seconds that a done task can still be looked at
local RESERVED = 2000 -- ms in which a task waits for whoever planned it

local function user_key(c, id)
    return c.prefix .. 'user:' .. id
end

-- `active` is a core attribute, so it stands before any extension; inside a
-- JSON string its quotes would be escaped.
local function is_active(record)
    if not record then
        return false
    end
    local at = string.find(record, '"active":', HEADER, true)
    return at ~= nil and string.sub(record, at + 9, at + 9) ~= 'f'
end

local function dirty_member(c, user)
    return c.workspace .. ' ' .. user
end

local function mark_dirty(c, user, due)
    call('ZADD', c.shard .. 'dirty', number_text(due), dirty_member(c, user))
end

local function audit(c, actor, app, user, from, to, why)
    call('XADD', c.prefix .. 'audit', '*', 'ts', number_text(c.now), 'actor',
        actor, 'app', app, 'user', user, 'from', from, 'to', to, 'why', why)
end

-- ---- teams follow groups -----------------------------------------------------

local function ensure_team(c, group)
    local name = call('HGET', c.prefix .. 'group-names', group)
    local key = c.prefix .. 'team:' .. group
    local old = call('GET', key)
    local created = old and string.match(old, '"created":(%d+)}$')
    call('SET', key, '{"id":"' .. group .. '","name":' .. (name or '""')
        .. ',"source":"scim","created":' .. (created or number_text(c.now))
        .. '}')
    call('ZADD', c.prefix .. 'teams', 0, group)
end

local function drop_team(c, team)
    local key = c.prefix .. 'team:' .. team
    for _, app in ipairs(call('ZRANGE', key .. ':apps', 0, -1)) do
        call('HDEL', c.prefix .. 'app:' .. app .. ':shares', 'team:' .. team)
    end
    call('DEL', key, key .. ':members', key .. ':apps')
    call('ZREM', c.prefix .. 'teams', team)
end

local function set_member(c, team, user, wanted)
    local key = c.prefix .. 'team:' .. team .. ':members'
    local is = call('ZSCORE', key, user) and true or false
    if is == wanted then
        return false
    end
    if wanted then
        call('ZADD', key, 0, user)
        call('ZADD', user_key(c, user) .. ':teams', 0, team)
    else
        call('ZREM', key, user)
        call('ZREM', user_key(c, user) .. ':teams', team)
    end
    return true
end

local function belongs(c, group, user)
    return call('ZSCORE', c.prefix .. 'group:' .. group .. ':members',
        'U' .. user) and is_active(call('GET', user_key(c, user))) or false
end

-- team_sync <lease ms> <group> <n> user...: makes the team what the group is
-- now, for the users named.  Answers OK and the users whose team changed,
-- marked dirty and leased to the caller.
register('team_sync', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local group = args[5]
    local exists = call('EXISTS', c.prefix .. 'group:' .. group) == 1
    local lease = c.now + tonumber(args[4])
    local out = { 'OK', number_text(lease) }
    if exists then
        ensure_team(c, group)
    end
    for i = 1, tonumber(args[6]) do
        local user = args[6 + i]
        if set_member(c, group, user, exists and belongs(c, group, user)) then
            mark_dirty(c, user, lease)
            out[#out + 1] = user
        end
    end
    if not exists and call('ZCARD', c.prefix .. 'team:' .. group
        .. ':members') == 0 then
        drop_team(c, group)
    end
    return out
end, { 'allow-oom' })

-- team_members <team> <after> <limit>
register('team_members', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    return { 'OK', unpack(call('ZRANGEBYLEX', c.prefix .. 'team:' .. args[4]
        .. ':members', '(' .. args[5], '+', 'LIMIT', 0,
        math.min(tonumber(args[6]), CHUNK))) }
end, { 'no-writes' })

local function is_scim_team(c, team)
    local record = call('GET', c.prefix .. 'team:' .. team)
    return not record or string.find(record, '"source":"scim"', 1, true)
end

local function concerns_access(c, user)
    local key = user_key(c, user)
    return call('EXISTS', key .. ':teams', key .. ':apps', key .. ':grants')
        > 0
end

-- user_sync <lease ms> <user>: the teams of one user, as the directory is now.
-- Answers OK, and the lease and the user when there is something to plan.
register('user_sync', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local user = args[5]
    local key = user_key(c, user)
    local record = call('GET', key)
    local active = is_active(record)
    local wanted = {}
    if active then
        for _, group in ipairs(call('ZRANGE', key .. ':groups', 0, -1)) do
            if call('ZSCORE', c.prefix .. 'group:' .. group .. ':members',
                'U' .. user) then
                wanted[group] = true
                if set_member(c, group, user, true) then
                    ensure_team(c, group)
                end
            end
        end
    end
    for _, team in ipairs(call('ZRANGE', key .. ':teams', 0, -1)) do
        if not wanted[team] and (not record or is_scim_team(c, team)) then
            set_member(c, team, user, false)
        end
    end
    if not concerns_access(c, user) then
        return { 'OK' }
    end
    local lease = c.now + tonumber(args[4])
    mark_dirty(c, user, lease)
    return { 'OK', number_text(lease), user }
end, { 'allow-oom' })

-- mark <key kind: team|app> <id> <after> <limit>: marks a page of a team's
-- members, or of the people with a grant of an app.  Answers OK last n.
register('mark', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. args[4] .. ':' .. args[5]
        .. (args[4] == 'team' and ':members' or ':grants')
    local page = call('ZRANGEBYLEX', key, '(' .. args[6], '+', 'LIMIT', 0,
        math.min(tonumber(args[7]), CHUNK))
    for _, user in ipairs(page) do
        mark_dirty(c, user, c.now)
    end
    return { 'OK', page[#page] or '', #page }
end, { 'allow-oom' })

-- mark_user <lease ms> <user>
register('mark_user', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local lease = c.now + tonumber(args[4])
    mark_dirty(c, args[5], lease)
    return { 'OK', number_text(lease), args[5] }
end, { 'allow-oom' })

-- dirty_claim <lease ms> <limit>: due users of the whole shard, leased.
-- Answers OK <lease> <next due or empty> { <workspace> <user> }...
register('dirty_claim', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.shard .. 'dirty'
    local lease = number_text(c.now + tonumber(args[4]))
    local out = { 'OK', lease, '' }
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf',
        number_text(c.now), 'LIMIT', 0, tonumber(args[5]))) do
        call('ZADD', key, lease, member)
        local workspace, user = string.match(member, '^(%S+) (%S+)$')
        out[#out + 1] = workspace
        out[#out + 1] = user
    end
    local first = call('ZRANGE', key, 0, 0, 'WITHSCORES')
    out[3] = first[2] and number_text(tonumber(first[2]) - c.now) or ''
    return out
end, { 'allow-oom' })

-- ---- facts and the compare-and-set over them ---------------------------------------

local GRANT_FIELDS = { 'state', 'role', 'accessRole', 'appliedRole',
    'sources', 'memberId', 'email', 'userName', 'v', 'task', 'lostAt',
    'before', 'replan' }
local TASK_FIELDS = { 'kind', 'state', 'attempts', 'unknown' }

local function push_sources(c, user, out, apps)
    local count_at = #out + 1
    out[count_at] = 0
    local function push(app, subject)
        local share = call('HGET', c.prefix .. 'app:' .. app .. ':shares',
            subject)
        if share then
            out[#out + 1] = app
            out[#out + 1] = subject
            out[#out + 1] = share
            out[count_at] = out[count_at] + 1
            apps[app] = true
        end
    end
    for _, team in ipairs(call('ZRANGE', user_key(c, user) .. ':teams', 0,
        -1)) do
        for _, app in ipairs(call('ZRANGE', c.prefix .. 'team:' .. team
            .. ':apps', 0, -1)) do
            push(app, 'team:' .. team)
        end
    end
    for _, app in ipairs(call('ZRANGE', user_key(c, user) .. ':apps', 0, -1))
    do
        push(app, 'user:' .. user)
    end
end

local function push_fields(key, fields, out)
    for _, value in ipairs(call('HMGET', key, unpack(fields))) do
        out[#out + 1] = value or ''
    end
end

-- <user record> <n> {app subject share} <n> {app, grant fields, task fields}
-- <n> {app, app record}; empty text for what is not there
local function gather(c, user)
    local out, apps = {}, {}
    out[1] = call('GET', user_key(c, user)) or ''
    push_sources(c, user, out, apps)
    local granted = call('ZRANGE', user_key(c, user) .. ':grants', 0, -1)
    out[#out + 1] = #granted
    for _, app in ipairs(granted) do
        apps[app] = true
        local key = c.prefix .. 'grant:' .. app .. ':' .. user
        out[#out + 1] = app
        push_fields(key, GRANT_FIELDS, out)
        local task = out[#out - 3]
        push_fields(c.prefix .. 'task:' .. task, TASK_FIELDS, out)
    end
    local names = {}
    for app in pairs(apps) do
        names[#names + 1] = app
    end
    table.sort(names)
    out[#out + 1] = #names
    for _, app in ipairs(names) do
        out[#out + 1] = app
        out[#out + 1] = call('GET', c.prefix .. 'app:' .. app) or ''
    end
    return out
end

local function digest(facts)
    return redis.sha1hex(table.concat(facts, '\0'))
end

-- facts <user> → OK <now> <digest> fact...
register('facts', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local facts = gather(c, args[4])
    local out = { 'OK', number_text(c.now), digest(facts) }
    for i, fact in ipairs(facts) do
        out[i + 3] = fact
    end
    return out
end, { 'no-writes' })

-- ---- grants and tasks -------------------------------------------------------

local function task_key(c, id)
    return c.prefix .. 'task:' .. id
end

local function move_task(c, id, from, to)
    if from and from ~= '' then
        call('ZREM', c.prefix .. 'tasks:' .. from, id)
    end
    call('ZADD', c.prefix .. 'tasks:' .. to, 0, id)
    call('HSET', task_key(c, id), 'state', to)
end

local function schedule(c, id, due)
    local member = c.workspace .. ' ' .. id
    if due then
        call('ZADD', c.shard .. 'due', number_text(due), member)
    else
        call('ZREM', c.shard .. 'due', member)
    end
end

local function close_task(c, id)
    local state = call('HGET', task_key(c, id), 'state')
    if state then
        move_task(c, id, state, 'done')
        call('EXPIRE', task_key(c, id), TASK_KEPT)
        schedule(c, id, nil)
    end
end

local function place_grant(c, app, user, state)
    local key = c.prefix .. 'app:' .. app
    if state == 'removed' then
        call('ZREM', key .. ':grants', user)
        call('ZADD', key .. ':removed', 0, user)
        call('ZREM', user_key(c, user) .. ':grants', app)
    else
        call('ZADD', key .. ':grants', 0, user)
        call('ZREM', key .. ':removed', user)
        call('ZADD', user_key(c, user) .. ':grants', 0, app)
    end
end

local function set_state(c, app, user, state, actor, why)
    local key = c.prefix .. 'grant:' .. app .. ':' .. user
    local from = call('HGET', key, 'state') or ''
    if from ~= state then
        call('HSET', key, 'state', state, 'changed', number_text(c.now))
        place_grant(c, app, user, state)
        audit(c, actor, app, user, from, state, why)
    end
end

local function new_task(c, change, user, txn)
    call('HSET', task_key(c, change.task), 'id', change.task, 'app',
        change.app, 'user', user, 'kind', change.kind, 'attempts', 0,
        'nextAt', number_text(c.now), 'unknown', 0, 'created',
        number_text(c.now), 'txn', txn)
    move_task(c, change.task, nil, 'queued')
    schedule(c, change.task, c.now + RESERVED)
end

local CHANGE_FIELDS = { 'app', 'state', 'role', 'accessRole', 'sources',
    'email', 'userName', 'lostAt', 'before', 'replan', 'action', 'task',
    'kind', 'why' }

local function read_change(args, at)
    local change = {}
    for i, field in ipairs(CHANGE_FIELDS) do
        change[field] = args[at + i - 1]
    end
    return change
end

local function apply_change(c, user, change, actor, txn)
    local key = c.prefix .. 'grant:' .. change.app .. ':' .. user
    local open = call('HGET', key, 'task')
    if change.action ~= 'keep' and open and open ~= '' then
        close_task(c, open)
        call('HSET', key, 'task', '')
    end
    call('HSET', key, 'role', change.role, 'accessRole', change.accessRole,
        'sources', change.sources, 'lostAt', change.lostAt, 'before',
        change.before, 'replan', change.replan)
    if change.email ~= '' or change.userName ~= '' then
        call('HSET', key, 'email', change.email, 'userName', change.userName)
    end
    call('HSETNX', key, 'created', number_text(c.now))
    call('HINCRBY', key, 'v', 1)
    set_state(c, change.app, user, change.state, actor, change.why)
    if change.state == 'removed' then
        call('HSET', key, 'memberId', '', 'appliedRole', '')
    end
    if change.action == 'new' then
        call('HSET', key, 'task', change.task)
        new_task(c, change, user, txn)
    end
end

-- plan_commit <user> <lease> <digest> <recheck at ms or 0> <actor> <txn> <n>
-- change...: writes what was planned if every fact is still what it was.
register('plan_commit', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local user, dirty = args[4], c.shard .. 'dirty'
    if digest(gather(c, user)) ~= args[6] then
        return { 'CONFLICT' }
    end
    for i = 1, tonumber(args[10]) do
        apply_change(c, user, read_change(args, 11 + (i - 1)
            * #CHANGE_FIELDS), args[8], args[9])
    end
    local mark = call('ZSCORE', dirty, dirty_member(c, user))
    if mark and tonumber(mark) == tonumber(args[5]) then
        if args[7] == '0' then
            call('ZREM', dirty, dirty_member(c, user))
        else
            call('ZADD', dirty, args[7], dirty_member(c, user))
        end
    end
    return { 'OK' }
end, { 'allow-oom' })

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
    local grant = c.prefix .. 'grant:' .. task[6] .. ':' .. task[7]
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

local function finish_done(c, task, key, grant, args)
    local kind, app, user = task[4], task[5], task[6]
    call('HSET', grant, 'task', '', 'before', '')
    if kind == 'remove' then
        call('HSET', grant, 'memberId', '', 'appliedRole', '', 'sources',
            '[]')
        set_state(c, app, user, 'removed', args[13], args[12])
    else
        call('HSET', grant, 'appliedRole', args[11])
        if args[10] ~= '' then
            call('HSET', grant, 'memberId', args[10])
        end
        if kind == 'invite' then
            set_state(c, app, user, 'invited', args[13], args[12])
        else
            local before = call('HGET', grant, 'state')
            if before == 'manual' or before == 'failed' then
                set_state(c, app, user, 'invited', args[13], args[12])
            end
        end
    end
    call('EXPIRE', key, TASK_KEPT)
end

-- A task ends in, or waits in, `state`: what that means for its grant.
local function settle_task(c, id, task, state, args)
    local key = task_key(c, id)
    local grant = c.prefix .. 'grant:' .. task[5] .. ':' .. task[6]
    move_task(c, id, task[1], state)
    if args[10] ~= '' then
        call('HSET', grant, 'memberId', args[10])
    end
    if state == 'done' then
        finish_done(c, task, key, grant, args)
    elseif state == 'manual' or state == 'failed' then
        set_state(c, task[5], task[6], state, args[13], args[12])
    end
    call('HINCRBY', grant, 'v', 1)
    if call('HGET', grant, 'replan') == '1' then
        call('HSET', grant, 'replan', '')
        mark_dirty(c, task[6], c.now)
        return '1'
    end
    return '0'
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
        'app', 'user')
    if task[1] ~= 'running' or task[2] ~= args[5] or task[3] ~= args[6] then
        return { 'STATE' }
    end
    local state, next_at = args[7], c.now + tonumber(args[8])
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
    local grant = c.prefix .. 'grant:' .. task[2] .. ':' .. task[3]
    call('HINCRBY', grant, 'v', 1)
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
    local role = call('HGET', c.prefix .. 'grant:' .. task[5] .. ':'
        .. task[6], 'accessRole') or ''
    schedule(c, args[4], nil)
    settle_task(c, args[4], task, 'done', { [10] = '', [11] = role,
        [12] = 'done by hand', [13] = args[5] })
    append_event(c, 'task.retry', 'task', args[4], 0, args[5], args[6], '')
    return { 'OK' }
end, {})

-- ---- the stream -----------------------------------------------------------------

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

local function id_before(a, b)
    local a_ms, a_seq = string.match(a, '^(%d+)-(%d+)$')
    local b_ms, b_seq = string.match(b, '^(%d+)-(%d+)$')
    a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
    if a_ms ~= b_ms then
        return a_ms < b_ms
    end
    return tonumber(a_seq) < tonumber(b_seq)
end

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
