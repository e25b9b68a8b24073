-- Operators' data: apps, shares, manual teams, tokens; what they look at.

local function exists(key)
    return call('EXISTS', key) == 1
end

-- Ids of a sorted set behind `after`.
local function id_page(key, after, limit)
    return call('ZRANGEBYLEX', key, after == '' and '-' or '(' .. after, '+',
        'LIMIT', '0', limit)
end

-- page <collection> <record prefix> <after> <limit> → OK { id record }...
register('page', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK' }
    for _, id in ipairs(id_page(c.prefix .. args[4], args[6],
        tonumber(args[7]))) do
        out[#out + 1] = id
        out[#out + 1] = call('GET', c.prefix .. args[5] .. ':' .. id) or ''
    end
    return out
end, { 'no-writes' })

-- record <kind> <id> → OK record | NOTFOUND
register('record', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local record = call('GET', c.prefix .. args[4] .. ':' .. args[5])
    return record and { 'OK', record } or { 'NOTFOUND' }
end, { 'no-writes' })

-- ---- apps ---------------------------------------------------------------------

-- app_put <id> <if version: 0 = new> <json> <actor> <txn> <seats or empty>
-- <guard: percent> <count> <window in s> <checks: every s, empty = never>
-- <concurrency> <calls a second or empty> <burst or empty> <revoke target ms>
-- <invites: expire after s, empty = never> <shares of leavers wait: ms>
-- <why: what is new, for the audit>
register('app_put', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. 'app:' .. args[4]
    local old = call('GET', key)
    local version = old and version_of(old) or 0
    if args[5] ~= '0' and not old then
        return { 'NOTFOUND' }
    end
    if tonumber(args[5]) ~= version then
        return { 'VERSION' }
    end
    call('SET', key, string.format('%010.0f', version + 1) .. args[6])
    call('HSET', key .. ':limits', 'seats', args[9], 'percent', args[10],
        'count', args[11], 'window', args[12], 'checkEvery', args[13],
        'concurrency', args[14], 'rate', args[15], 'burst', args[16],
        'target', args[17], 'inviteExpire', args[18],
        'restore', args[19] or '')
    delivery.probe(c, args[4]) -- it may be what was wrong
    if args[13] ~= '' then -- what is due already stays due
        call('ZADD', c.shard .. 'checks', 'LT',
            number_text(c.now + tonumber(args[13]) * 1000),
            c.workspace .. ' app:' .. args[4])
    end
    call('ZADD', c.prefix .. 'apps', 0, args[4])
    local op = old and 'app.updated' or 'app.created'
    append_event(c, op, 'app', args[4], number_text(version + 1), args[7],
        args[8], '')
    audit_operator(c, op, 'app:' .. args[4], args[4], args[20], args[7],
        args[8])
    return { 'OK', number_text(version + 1) }
end, {})

-- app_show <id> → OK <record> <seats in use> <waiting> <delivery: down since>
-- <why> <next try> <paused until> <calls a second> <under way> <waiting>
-- <time-to-revoke, as revokes.push has it>...
-- | NOTFOUND
register('app_show', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. 'app:' .. args[4]
    local record = call('GET', key)
    if not record then
        return { 'NOTFOUND' }
    end
    return revokes.push(c, args[4], { 'OK', record, call('ZCARD', key
        .. ':seated'), call('ZCARD', key .. ':waiting'),
        unpack(delivery.show(c, args[4])) })
end, { 'no-writes' })

local function unlink_share(c, app, subject)
    call('ZREM', c.prefix .. subject .. ':apps', app)
end

-- app_delete <id> <actor> <txn>: nothing changes in the app itself.
register('app_delete', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. 'app:' .. args[4]
    local old = call('GET', key)
    if not old then
        return { 'NOTFOUND' }
    end
    for _, subject in ipairs(call('HKEYS', key .. ':shares')) do
        unlink_share(c, args[4], subject)
    end
    call('DEL', key, key .. ':shares')
    call('ZREM', c.prefix .. 'apps', args[4])
    append_event(c, 'app.deleted', 'app', args[4],
        number_text(version_of(old) + 1), args[5], args[6], '')
    audit_operator(c, 'app.deleted', 'app:' .. args[4], args[4], '',
        args[5], args[6])
    return { 'OK' }
end, { 'allow-oom' })

-- ---- shares ------------------------------------------------------------------

local function subject_exists(c, subject)
    if exists(c.prefix .. subject) then
        return true
    end
    -- a team that the sidecar has not made yet is its group already
    local group = string.match(subject, '^team:(.+)$')
    return group and exists(c.prefix .. 'group:' .. group)
end

-- share_put <app> <team:id|user:id> <json> <actor> <txn> <why>
register('share_put', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. 'app:' .. args[4]
    if not exists(key) then
        return { 'NOTFOUND', 'app' }
    end
    if not subject_exists(c, args[5]) then
        return { 'NOTFOUND', 'subject' }
    end
    call('HSET', key .. ':shares', args[5], args[6])
    call('ZADD', c.prefix .. args[5] .. ':apps', '0', args[4])
    append_event(c, 'share.put', 'share', args[4], 0, args[7], args[8],
        '{"subject":"' .. args[5] .. '"}')
    audit_operator(c, 'share.put', args[5], args[4], args[9], args[7],
        args[8])
    return { 'OK' }
end, {})

-- share_delete <app> <subject> <actor> <txn>
register('share_delete', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. 'app:' .. args[4] .. ':shares'
    if call('HDEL', key, args[5]) == 0 then
        return { 'NOTFOUND', 'share' }
    end
    unlink_share(c, args[4], args[5])
    append_event(c, 'share.deleted', 'share', args[4], 0, args[6], args[7],
        '{"subject":"' .. args[5] .. '"}')
    audit_operator(c, 'share.deleted', args[5], args[4], '', args[6],
        args[7])
    return { 'OK' }
end, { 'allow-oom' })

-- shares <app> → OK { subject json }... | NOTFOUND
register('shares', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. 'app:' .. args[4]
    if not exists(key) then
        return { 'NOTFOUND' }
    end
    return { 'OK', unpack(call('HGETALL', key .. ':shares')) }
end, { 'no-writes' })

-- ---- teams ------------------------------------------------------------------

-- team_put <id> <name as JSON text> <why> <actor> <txn>
register('team_put', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    call('SET', c.prefix .. 'team:' .. args[4], '{"id":"' .. args[4]
        .. '","name":' .. args[5] .. ',"source":"manual","created":'
        .. number_text(c.now) .. '}')
    call('ZADD', c.prefix .. 'teams', '0', args[4])
    audit_operator(c, 'team.created', 'team:' .. args[4], '', args[6],
        args[7], args[8])
    return { 'OK' }
end, {})

-- team_member <team> <user> <1 = in, 0 = out> <actor> <txn>
register('team_member', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local team, user = c.prefix .. 'team:' .. args[4], args[5]
    local record = call('GET', team)
    if not record then
        return { 'NOTFOUND', 'team' }
    end
    if not string.find(record, '"source":"manual"', 1, true) then
        return { 'STATE' }
    end
    if args[6] == '1' then
        if not exists(c.prefix .. 'user:' .. user) then
            return { 'NOTFOUND', 'user' }
        end
        call('ZADD', team .. ':members', '0', user)
        call('ZADD', c.prefix .. 'user:' .. user .. ':teams', '0', args[4])
    else
        if call('ZREM', team .. ':members', user) == 0 then
            return { 'NOTFOUND', 'member' }
        end
        call('ZREM', c.prefix .. 'user:' .. user .. ':teams', args[4])
    end
    append_event(c, 'team.members', 'team', args[4], 0, args[7], args[8],
        '{"users":["' .. user .. '"]}')
    audit_operator(c, 'team.members', 'team:' .. args[4], '', 'user ' .. user
        .. (args[6] == '1' and ' put into it' or ' taken out of it'),
        args[7], args[8])
    return { 'OK' }
end, { 'allow-oom' })

-- team_page <team> <after> <limit> → OK <team record> { user, user record }...
register('team_page', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local team = c.prefix .. 'team:' .. args[4]
    local record = call('GET', team)
    if not record then
        return { 'NOTFOUND' }
    end
    local out = { 'OK', record }
    for _, user in ipairs(id_page(team .. ':members', args[5],
        tonumber(args[6]))) do
        out[#out + 1] = user
        out[#out + 1] = call('GET', c.prefix .. 'user:' .. user) or ''
    end
    return out
end, { 'no-writes' })

-- ---- people of an app, tasks ---------------------------------------------------

local SCAN_MAX = 20000 -- ids that one call looks at to fill a page

-- The link of a person who is not in yet, as long as it leads somewhere.
local function shown_code(c, grant)
    local state = grant[1]
    local over = state == 'connected' or state == 'removing'
        or state == 'expired' or (state ~= 'accepted'
            and (tonumber(grant[8] or '') or 0) < c.now)
    return not over and grant[7] or ''
end

-- grants <app> <state or empty> <after> <limit>
-- → OK <after, to go on, or empty> { user, state, role, accessRole, sources,
-- email, userName, user record, code of the link or empty }...
register('grants', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app = c.prefix .. 'app:' .. args[4]
    if not exists(app) then
        return { 'NOTFOUND' }
    end
    local key = app .. (args[5] == 'removed' and ':removed' or ':grants')
    local after, limit, seen, n = args[6], tonumber(args[7]), 0, 0
    local out = { 'OK', '' }
    repeat
        local page = id_page(key, after, limit + 1)
        for i, user in ipairs(page) do
            if n == limit or seen == SCAN_MAX then
                out[2] = after
                return out
            end
            after, seen = user, seen + 1
            local grant = call('HMGET', c.prefix .. 'grant:' .. args[4] .. ':'
                .. user, 'state', 'role', 'accessRole', 'sources', 'email',
                'userName', 'code', 'codeUntil')
            if args[5] == '' or args[5] == grant[1] then
                n = n + 1
                out[#out + 1] = user
                for j = 1, 6 do
                    out[#out + 1] = grant[j] or ''
                end
                out[#out + 1] = call('GET', c.prefix .. 'user:' .. user) or ''
                out[#out + 1] = shown_code(c, grant)
            end
        end
    until #page <= limit
    return out
end, { 'no-writes' })

local TASK_STATES = { 'queued', 'running', 'waiting', 'manual', 'failed',
    'done' }
local TASK_SHOWN = { 'id', 'app', 'user', 'kind', 'state', 'attempts',
    'nextAt', 'answerStatus', 'answerBody', 'txn', 'looks', 'overdue',
    'reason', 'excused' }

local function tasks_in(c, state, app, after, limit, found)
    local n, seen = 0, 0
    repeat
        local page = id_page(c.prefix .. 'tasks:' .. state, after, CHUNK)
        for _, id in ipairs(page) do
            after, seen = id, seen + 1
            local key = c.prefix .. 'task:' .. id
            local of = call('HGET', key, 'app')
            if of and (app == '' or of == app) then
                n = n + 1
                found[#found + 1] = id
            end
            if n > limit then
                return
            end
        end
    until #page < CHUNK or seen >= SCAN_MAX
end

-- tasks <app or empty> <state or empty> <after> <limit>
-- → OK <more 0|1> { id app user kind state attempts nextAt status body txn
-- looks overdue reason }...
register('tasks', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local limit, found = tonumber(args[7]), {}
    for _, state in ipairs(TASK_STATES) do
        if args[5] == '' or args[5] == state then
            tasks_in(c, state, args[4], args[6], limit, found)
        end
    end
    table.sort(found)
    local out = { 'OK', #found > limit and 1 or 0 }
    for i = 1, math.min(limit, #found) do
        local shown = call('HMGET', c.prefix .. 'task:' .. found[i],
            unpack(TASK_SHOWN))
        local excused = table.remove(shown)
        shown[6] = (tonumber(shown[6] or '') or 0)
            - (tonumber(excused or '') or 0)
        for _, value in ipairs(shown) do
            out[#out + 1] = value or ''
        end
    end
    return out
end, { 'no-writes' })

-- ---- tokens -----------------------------------------------------------------

-- token_put <id> <sha256> <record> <user or empty> <why> <actor> <txn>: the
-- first one makes the workspace; a user must be there.
register('token_put', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    if args[7] ~= '' and call('EXISTS', c.prefix .. 'user:' .. args[7]) == 0 then
        return { 'NOTFOUND' }
    end
    call('SET', c.shard .. 'token:' .. args[5], args[6])
    call('SET', c.prefix .. 'token:' .. args[4], string.sub(args[6], 1, -2)
        .. ',"sha256":"' .. args[5] .. '"}')
    call('ZADD', c.prefix .. 'tokens', '0', args[4])
    call('ZADD', c.shard .. 'workspaces', '0', c.workspace)
    audit_operator(c, 'token.created', 'token:' .. args[4], '', args[8],
        args[9], args[10])
    return { 'OK' }
end, {})

-- token_delete <id> <why> <actor> <txn>
register('token_delete', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. 'token:' .. args[4]
    local record = call('GET', key)
    if not record then
        return { 'NOTFOUND' }
    end
    local sha = string.match(record, '"sha256":"(%x+)"}$')
    call('DEL', key, c.shard .. 'token:' .. sha)
    call('ZREM', c.prefix .. 'tokens', args[4])
    audit_operator(c, 'token.deleted', 'token:' .. args[4], '', args[5],
        args[6], args[7])
    return { 'OK' }
end, { 'allow-oom' })

-- ---- what happened, what there is -------------------------------------------------

local AUDIT_FIELDS = { 'ts', 'actor', 'app', 'user', 'from', 'to', 'why',
    'share', 'txn', 'eventId', 'op', 'resource' }

-- <id> <fields> of an entry of the stream; false when it is gone, or without
-- `to`: those are for webhooks alone
local function push_audit(out, entry)
    local values = entry and entry_values(entry) or {}
    if not values.to then
        return false
    end
    push_values(out, entry[1], values, AUDIT_FIELDS)
    return true
end

-- audit <after> <limit> → OK <after, to go on, or empty> { id, fields }...
register('audit', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local after, limit, seen, n = args[4], tonumber(args[5]), 0, 0
    local out = { 'OK', '' }
    repeat
        local page = call('XRANGE', c.prefix .. 'audit', after == '' and '-'
            or '(' .. after, '+', 'COUNT', limit + 1)
        for _, entry in ipairs(page) do
            if n == limit or seen == SCAN_MAX then
                out[2] = after
                return out
            end
            after, seen = entry[1], seen + 1
            n = n + (push_audit(out, entry) and 1 or 0)
        end
    until #page <= limit
    return out
end, { 'no-writes' })

-- Seats of all apps; those without a limit have none that are free.
local function push_seats(c, out)
    local used, waiting, free = 0, 0, 0
    for _, app in ipairs(call('ZRANGE', c.prefix .. 'apps', '0', '-1')) do
        local key = c.prefix .. 'app:' .. app
        local seated = call('ZCARD', key .. ':seated')
        local limit = tonumber(call('HGET', key .. ':limits', 'seats') or '')
        used = used + seated
        waiting = waiting + call('ZCARD', key .. ':waiting')
        free = free + math.max(0, (limit or 0) - seated)
    end
    for _, one in ipairs({ 'seats.inUse', used, 'seats.waiting', waiting,
        'seats.free', free }) do
        out[#out + 1] = one
    end
end

-- Apps that are down: since when, and why.
local function push_down(c, out)
    local count_at, count = #out + 1, 0
    out[count_at] = 0
    for _, app in ipairs(call('ZRANGE', c.prefix .. 'apps', '0', '-1')) do
        local down = delivery.show(c, app)
        if down[1] ~= '' then
            count = count + 1
            for _, text in ipairs({ app, down[1], down[2] }) do
                out[#out + 1] = text
            end
        end
    end
    out[count_at] = count
end

-- Time-to-revoke over all apps.
local function push_revokes(c, out)
    local overdue, unconfirmed, failed, count, missed = 0, 0, 0, 0, 0
    for _, app in ipairs(call('ZRANGE', c.prefix .. 'apps', '0', '-1')) do
        local of = revokes.push(c, app, {})
        overdue, unconfirmed = overdue + of[1], unconfirmed + of[2]
        failed = failed + of[3]
        count, missed = count + tonumber(of[5]), missed + tonumber(of[7])
    end
    for _, one in ipairs({ 'removalsUnconfirmed', unconfirmed,
        'removalsFailed', failed,
        'revokes.overdue', overdue, 'revokes.count', count,
        'revokes.missed', missed }) do
        out[#out + 1] = one
    end
end

-- stats → OK <n> { app, down since, why } { name, number }...
register('stats', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK' }
    push_down(c, out)
    out[#out + 1] = 'eventsWaiting'
    out[#out + 1] = c.waiting
    push_revokes(c, out)
    for _, name in ipairs({ 'users', 'groups', 'teams', 'apps', 'tokens' }) do
        out[#out + 1] = name
        out[#out + 1] = call('ZCARD', c.prefix .. name)
    end
    out[#out + 1] = 'holds'
    out[#out + 1] = call('ZCARD', c.prefix .. 'holds:open')
    push_seats(c, out)
    for _, state in ipairs(TASK_STATES) do
        out[#out + 1] = 'tasks.' .. state
        out[#out + 1] = call('ZCARD', c.prefix .. 'tasks:' .. state)
    end
    return out
end, { 'no-writes' })

local METRICS_MAX = 1000 -- apps of a shard

-- metrics: of the apps of all workspaces of the shard.  Answers OK {
-- <workspace> <app> <down 0|1> <calls under way> <waiting> <open holds>
-- <people held> <time-to-revoke as in app_show> }...
register('metrics', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out, left = { 'OK' }, METRICS_MAX
    for _, workspace in ipairs(call('ZRANGE', c.shard .. 'workspaces', 0,
        METRICS_MAX - 1)) do
        local w = { shard = c.shard, workspace = workspace, prefix = c.shard
            .. workspace .. ':', now = c.now }
        for _, app in ipairs(left > 0 and call('ZRANGE', w.prefix .. 'apps',
            0, left - 1) or {}) do
            local shown = delivery.show(w, app)
            local hold = call('GET', w.prefix .. 'app:' .. app .. ':hold')
            for _, one in ipairs({ workspace, app, shown[1] ~= '' and 1 or 0,
                shown[6], shown[7], hold and 1 or 0, hold and call('ZCARD',
                w.prefix .. 'hold:' .. hold .. ':users') or 0 }) do
                out[#out + 1] = one
            end
            revokes.push(w, app, out)
            left = left - 1
        end
    end
    return out
end, { 'no-writes' })
