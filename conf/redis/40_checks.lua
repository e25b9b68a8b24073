-- Checks for updates: what an app's own list says beside the grants.  The
-- comparing is done elsewhere; here are the queue of checks, the facts, the
-- stored report, and the one step that makes a finding right.

do -- a scope of its own: a chunk holds 200 local names at most

do -- names of this file alone: Lua allows 200 at the top level

local CHECK_KEPT = 30 * 86400 -- seconds that a report can be looked at
local CHECK_TRIES = 5 -- of sidecars that die over it
local CHECK_APPLIED = 500 -- findings that one call applies
local CHECK_SHOWN = { 'state', 'reason', 'listed', 'suspicious', 'created',
    'finished', 'count' }
local CHECK_KINDS = { 'unknown', 'missing', 'role' }
local CHECKS_FORGOTTEN = 20 -- expired reports that one new one drops

local function derived_id(c, seed)
    local ms = string.format('%012x', c.now)
    local hash = redis.sha1hex(seed)
    return string.sub(ms, 1, 8) .. '-' .. string.sub(ms, 9, 12) .. '-7'
        .. string.sub(hash, 1, 3) .. '-8' .. string.sub(hash, 4, 6) .. '-'
        .. string.sub(hash, 7, 18)
end

local function check_key(c, id)
    return c.prefix .. 'check:' .. id
end

local function keep_check(c, id)
    for _, suffix in ipairs({ '', ':findings', ':applied' }) do
        call('EXPIRE', check_key(c, id) .. suffix, CHECK_KEPT)
    end
end

local function end_check(c, id, state, reason)
    call('HSET', check_key(c, id), 'state', state, 'reason', reason,
        'finished', number_text(c.now), 'owner', '')
    queue_in(c, 'checks', id, nil)
    keep_check(c, id)
    local check = call('HMGET', check_key(c, id), 'app', 'count',
        'suspicious')
    notice(c, 'check.' .. state, id, check[1], '', 'count', check[2] or 0,
        'suspicious', (check[3] or '') ~= '' and 1 or 0)
end

-- The app's reports, oldest first; those that expired are dropped.
local function list_check(c, app, id)
    local key = app_key(c, app) .. ':checks'
    for _, old in ipairs(id_page(key, '', CHECKS_FORGOTTEN)) do
        if not exists(check_key(c, old)) then
            call('ZREM', key, old)
        end
    end
    call('ZADD', key, '0', id)
end

local function new_check(c, app, id, actor)
    list_check(c, app, id)
    call('HSET', check_key(c, id), 'app', app, 'state', 'running', 'created',
        number_text(c.now), 'actor', actor, 'count', 0)
    queue_in(c, 'checks', id, c.now)
end

-- check_start <app> <id> <actor> <txn>: to be done by a sidecar
register('check_start', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    if not exists(app_key(c, args[4])) then
        return { 'NOTFOUND', 'app' }
    end
    new_check(c, args[4], args[5], args[6])
    append_event(c, 'check.requested', 'check', args[5], 0, args[6], args[7],
        '')
    return { 'OK' }
end, {})

-- A due check becomes the caller's until its lease runs out.
local function claim_check(c, id, owner, lease)
    local key = check_key(c, id)
    local check = call('HMGET', key, 'state', 'attempts')
    if check[1] ~= 'running' then
        queue_in(c, 'checks', id, nil)
        return false
    end
    if tonumber(check[2] or 0) >= CHECK_TRIES then
        end_check(c, id, 'failed', 'given up after several attempts')
        return false
    end
    call('HINCRBY', key, 'attempts', '1')
    call('HSET', key, 'owner', owner)
    queue_in(c, 'checks', id, c.now + lease)
    return true
end

-- The next check of an app that has a schedule: the id of the check, or nil
-- when it has none any more.
local function scheduled_check(c, app)
    local member = c.workspace .. ' app:' .. app
    local every = exists(app_key(c, app)) and tonumber(call('HGET',
        app_key(c, app) .. ':limits', 'checkEvery') or '')
    if not every then
        call('ZREM', c.shard .. 'checks', member)
        return nil
    end
    local id = derived_id(c, member .. number_text(c.now))
    call('ZADD', c.shard .. 'checks', number_text(c.now + every * 1000),
        member)
    new_check(c, app, id, 'schedule')
    return id
end

-- check_due <owner> <lease ms> <limit>: checks of the whole shard that are
-- due, claimed.  Answers OK { <workspace> <check> <attempt> }...
register('check_due', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK' }
    for _, member in ipairs(call('ZRANGEBYSCORE', c.shard .. 'checks', '-inf',
        number_text(c.now), 'LIMIT', '0', tonumber(args[6]))) do
        local workspace, id = string.match(member, '^(%S+) (%S+)$')
        c.workspace, c.prefix = workspace, c.shard .. workspace .. ':'
        local app = string.match(id, '^app:(.*)$')
        if app then
            id = scheduled_check(c, app)
        end
        if id and claim_check(c, id, args[4], tonumber(args[5])) then
            out[#out + 1] = c.workspace
            out[#out + 1] = id
            out[#out + 1] = call('HGET', check_key(c, id), 'attempts')
        end
    end
    return out
end, { 'allow-oom' })

-- Is it still the caller's?
local function holds_check(c, id, owner, attempt)
    local held = call('HMGET', check_key(c, id), 'state', 'owner', 'attempts',
        'app')
    return held[1] == 'running' and held[2] == owner and held[3] == attempt
        and held[4]
end

-- check_begin <check> <owner> <attempt> → OK <now> <app> <app record>
-- <members listed last, or empty> <who asked> | STATE
register('check_begin', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app = holds_check(c, args[4], args[5], args[6])
    if not app then
        return { 'STATE' }
    end
    local key = app_key(c, app)
    return { 'OK', number_text(c.now), app, call('GET', key) or '',
        call('HGET', key .. ':limits', 'listed') or '',
        call('HGET', check_key(c, args[4]), 'actor') }
end, { 'no-writes' })

-- check_renew <check> <owner> <attempt> <lease ms>
register('check_renew', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    if not holds_check(c, args[4], args[5], args[6]) then
        return { 'STATE' }
    end
    queue_in(c, 'checks', args[4], c.now + tonumber(args[7]))
    return { 'OK' }
end, { 'allow-oom' })

-- check_grants <app> <since> <grants|removed> <after> <limit>: the grants as
-- a check sees them.  `busy` is 1 for what changed since the check began
-- listing or is about to; of the removed only these are told.
-- → OK <after, to go on, or empty> { user state accessRole role memberId
-- email userName v busy }...
register('check_grants', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local since, limit = tonumber(args[5]), tonumber(args[8])
    local page = id_page(app_key(c, args[4]) .. ':' .. args[6], args[7],
        limit)
    local out = { 'OK', #page == limit and page[#page] or '' }
    for _, user in ipairs(page) do
        local grant = call('HMGET', grant_key(c, args[4], user), 'state',
            'accessRole', 'role', 'memberId', 'email', 'userName', 'v',
            'task', 'changed')
        local busy = (grant[8] or '') ~= ''
            or tonumber(grant[9] or 0) >= since
        if busy or args[6] == 'grants' then
            out[#out + 1] = user
            for i = 1, 7 do
                out[#out + 1] = grant[i] or ''
            end
            out[#out + 1] = busy and 1 or 0
        end
    end
    return out
end, { 'no-writes' })

-- The user with this address or name, both folded.
local function user_of_address(c, key)
    for _, attribute in ipairs({ 'emails.value', 'userName' }) do
        local found = key ~= '' and call('ZRANGEBYLEX', c.prefix
            .. 'index:user:' .. attribute, '[' .. key .. '\0', '[' .. key
            .. '\0\255', 'LIMIT', '0', 2) or {}
        if #found == 1 then
            return string.sub(found[1], #key + 2)
        end
    end
    return ''
end

local FINDING_FIELDS = 9
-- of a stored finding: what the report's columns are called here
local KIND, ACTION, USER, MEMBER_ID, EMAIL, ADDRESS, EXPECTED, ACTUAL, V =
    1, 2, 3, 4, 5, 6, 7, 8, 9

-- check_rows <check> <owner> <attempt> <first id> { kind action user memberId
-- email, the same folded, expected actual v }...
register('check_rows', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    if not holds_check(c, args[4], args[5], args[6]) then
        return { 'STATE' }
    end
    local key, id = check_key(c, args[4]), tonumber(args[7])
    if id == 1 then -- an attempt before this one may have left some
        call('DEL', key .. ':findings')
        call('HDEL', key, 'hash', unpack(CHECK_KINDS))
    end
    call('HSET', key, 'hash', redis.sha1hex((call('HGET', key, 'hash') or '')
        .. table.concat(args, '\0', 7)))
    for i = 8, #args, FINDING_FIELDS do
        local finding = { unpack(args, i, i + FINDING_FIELDS - 1) }
        if finding[KIND] == 'unknown' and finding[USER] == '' then
            finding[USER] = user_of_address(c, finding[ADDRESS])
        end
        call('HSET', key .. ':findings', number_text(id),
            cmsgpack.pack(finding))
        call('HINCRBY', key, finding[KIND], '1')
        id = id + 1
    end
    return { 'OK' }
end, {})

-- check_learn <check> <owner> <attempt> { user memberId v accepted 0|1 }...: by
-- which id the app knows these people, and who accepted their invite.  Where a grant changed meanwhile it stays. `v`
-- stays, too: the findings of this check are about this grant.
register('check_learn', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app = holds_check(c, args[4], args[5], args[6])
    if not app then
        return { 'STATE' }
    end
    for i = 7, #args, 4 do
        local key = grant_key(c, app, args[i])
        local grant = call('HMGET', key, 'v', 'state')
        if grant[1] == args[i + 2] then
            call('HSET', key, 'memberId', args[i + 1])
            if args[i + 3] == '1' and (grant[2] == 'invited'
                or grant[2] == 'expired') then
                set_state(c, app, args[i], 'accepted', 'check',
                    'the app lists them as a member')
                mark_dirty(c, args[i], c.now)
            end
        end
    end
    return { 'OK' }
end, {})

-- check_finish <check> <owner> <attempt> <done|failed> <reason> <count>
-- <listed> <suspicious: a reason or empty>
register('check_finish', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app = holds_check(c, args[4], args[5], args[6])
    if not app then
        return { 'STATE' }
    end
    call('HSET', check_key(c, args[4]), 'count', args[9], 'listed', args[10],
        'suspicious', args[11])
    if args[7] == 'done' and args[11] == '' then
        -- the measure of the next list
        call('HSET', app_key(c, app) .. ':limits', 'listed', args[10])
    end
    end_check(c, args[4], args[7], args[8])
    return { 'OK' }
end, { 'allow-oom' })

local function check_of_app(c, app, id)
    return call('HGET', check_key(c, id), 'app') == app
end

-- <hash> <findings of each kind>: a report without findings has a hash, too.
local function push_summary(c, key, out)
    local known = call('HMGET', key, 'hash', unpack(CHECK_KINDS))
    out[#out + 1] = known[1] or redis.sha1hex('')
    for i = 1, #CHECK_KINDS do
        out[#out + 1] = known[i + 1] or 0
    end
end

-- checks <app> <after> <limit> → OK { id, shown fields, summary }...
register('checks', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    if not exists(app_key(c, args[4])) then
        return { 'NOTFOUND' }
    end
    local out = { 'OK' }
    for _, id in ipairs(id_page(app_key(c, args[4]) .. ':checks', args[5],
        tonumber(args[6]))) do
        out[#out + 1] = id
        for _, value in ipairs(call('HMGET', check_key(c, id),
            unpack(CHECK_SHOWN))) do
            out[#out + 1] = value or ''
        end
        push_summary(c, check_key(c, id), out)
    end
    return out
end, { 'no-writes' })

-- check_show <app> <check> <after> <limit> → OK <shown fields> <summary> { id, finding
-- fields, applied: empty|applied|skipped }... | NOTFOUND
register('check_show', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = check_key(c, args[5])
    if not check_of_app(c, args[4], args[5]) then
        return { 'NOTFOUND', 'check' }
    end
    local out = { 'OK' }
    for _, value in ipairs(call('HMGET', key, unpack(CHECK_SHOWN))) do
        out[#out + 1] = value or ''
    end
    local first = (tonumber(args[6]) or 0) + 1
    local last = math.min(first + tonumber(args[7]) - 1,
        tonumber(out[#out]) or 0)
    push_summary(c, key, out)
    for id = first, last do
        local text = number_text(id)
        local finding = cmsgpack.unpack(call('HGET', key .. ':findings',
            text))
        out[#out + 1] = text
        for i = 1, FINDING_FIELDS do
            out[#out + 1] = finding[i]
        end
        out[#out + 1] = call('HGET', key .. ':applied', text) or ''
    end
    return out
end, { 'no-writes' })

-- ---- applying ----------------------------------------------------------------

-- The app has lost the person: invited again, on the seat they have.  By the
-- clock once: a list that never shows open invites, or an app that drops
-- people, would have somebody invited without end.  After that a person says.
local function apply_missing(c, app, finding, actor)
    local key = grant_key(c, app, finding[USER])
    local grant = call('HMGET', key, 'v', 'task', 'state', 'missed')
    local ran_out = grant[3] == 'invited' and (call('HGET', app_key(c, app)
        .. ':limits', 'inviteExpire') or '') ~= ''
    local again = actor == 'schedule' and not ran_out and grant[4]
    if grant[1] ~= finding[V] or grant[2] ~= '' or not MEMBER[grant[3]]
        or again then
        return false
    end
    call('HSET', key, 'appliedRole', '', 'memberId', '')
    call('HINCRBY', key, 'v', '1')
    mark_dirty(c, finding[USER], c.now)
    if ran_out then -- the policy says what follows
        call('HSET', key, 'invitedAt', 1)
        audit_grant(c, actor, app, finding[USER], grant[3], grant[3],
            'a check did not find their invite in the app')
        return true
    end
    if actor == 'schedule' then
        call('HSET', key, 'missed', 1)
    else
        call('HDEL', key, 'missed')
    end
    set_state(c, app, finding[USER], 'pending', actor,
        'a check did not find them in the app')
    return true
end

-- The app has another role: what it has is noted, the planner does the rest.
local function apply_role(c, app, finding, actor)
    local key = grant_key(c, app, finding[USER])
    local grant = call('HMGET', key, 'v', 'task', 'state')
    if grant[1] ~= finding[V] or grant[2] ~= '' then
        return false
    end
    call('HSET', key, 'appliedRole', finding[ACTUAL], 'memberId',
        finding[MEMBER_ID])
    call('HINCRBY', key, 'v', '1')
    audit_grant(c, actor, app, finding[USER], grant[3], grant[3],
        'a check found another role in the app')
    mark_dirty(c, finding[USER], c.now)
    return true
end

-- Somebody whom no grant explains is removed by a grant that only leaves:
-- retried, shown and audited as any other.
local function apply_unknown(c, app, finding, actor, txn, seed)
    local user = user_of_address(c, finding[ADDRESS])
    if user == '' then
        user = finding[USER] ~= '' and finding[USER]
            or derived_id(c, seed .. 'user')
    end
    local key = grant_key(c, app, user)
    local state = call('HGET', key, 'state')
    if state and state ~= 'removed' then
        return false -- has the app by right, or is leaving it already
    end
    call('HSET', key, 'role', 'collaborator', 'accessRole', finding[ACTUAL],
        'appliedRole', finding[ACTUAL], 'sources', '[]', 'memberId',
        finding[MEMBER_ID], 'email', finding[EMAIL], 'userName', '', 'before',
        'connected', 'lostAt', '', 'replan', '', 'kept', '', 'guard', '')
    call('HSETNX', key, 'created', number_text(c.now))
    call('HINCRBY', key, 'v', '1')
    set_state(c, app, user, 'removing', actor,
        'a check found somebody whom no share explains')
    local id = derived_id(c, seed .. 'task')
    new_task(c, { task = id, app = app, kind = 'remove', unknown = '0',
        action = 'new' }, user, txn)
    schedule(c, id, c.now)
    return true
end

local function apply_finding(c, app, finding, actor, txn, seed)
    if finding[ACTION] == 'none' then
        return false
    elseif finding[KIND] == 'missing' then
        return apply_missing(c, app, finding, actor)
    elseif finding[KIND] == 'role' then
        return apply_role(c, app, finding, actor)
    end
    return apply_unknown(c, app, finding, actor, txn, seed)
end

-- The findings that are meant: named ones, or the next ones of all.
local function chosen_findings(args, count)
    local ids = {}
    if args[10] == 'all' then
        local first = tonumber(args[11])
        for id = first, math.min(first + CHECK_APPLIED - 1, count) do
            ids[#ids + 1] = number_text(id)
        end
        return ids
    end
    for i = 11, #args do
        ids[#ids + 1] = args[i]
    end
    return ids
end

-- Is the finding still about what is there?
local function still_true(c, app, finding)
    local user = finding[USER]
    if finding[KIND] == 'unknown' then
        local state = user ~= '' and call('HGET', grant_key(c, app, user),
            'state')
        return not state or state == 'removed'
    end
    local grant = call('HMGET', grant_key(c, app, user), 'v', 'task')
    return grant[1] == finding[V] and grant[2] == ''
end

-- A caller that names the hash wants just what it saw, or nothing.
local function is_stale(c, app, key, ids, hash)
    if hash == '' then
        return false
    end
    if hash ~= (call('HGET', key, 'hash') or redis.sha1hex('')) then
        return true
    end
    for _, id in ipairs(ids) do
        if call('HGET', key .. ':applied', id) ~= 'applied'
            and not still_true(c, app, cmsgpack.unpack(call('HGET', key
                .. ':findings', id))) then
            return true
        end
    end
    return false
end

-- check_apply <app> <check> <actor> <txn> <seed: random> <hash or empty> all
-- <first id> or ... chosen <id>...  → OK <findings there are> { id
-- applied|skipped }... | NOTFOUND check|finding | STATE | SUSPICIOUS | STALE
register('check_apply', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app, key = args[4], check_key(c, args[5])
    if not check_of_app(c, app, args[5]) or not exists(app_key(c, app)) then
        return { 'NOTFOUND', 'check' }
    end
    local check = call('HMGET', key, 'state', 'suspicious', 'count',
        'listed')
    if check[1] ~= 'done' then
        return { 'STATE' }
    end
    if args[10] == 'all' and (check[2] or '') ~= '' then
        return { 'SUSPICIOUS' }
    end
    local ids = chosen_findings(args, tonumber(check[3]))
    for _, id in ipairs(ids) do
        if call('HEXISTS', key .. ':findings', id) == 0 then
            return { 'NOTFOUND', 'finding' }
        end
    end
    if is_stale(c, app, key, ids, args[9]) then
        return { 'STALE' }
    end
    if (check[2] or '') ~= '' then -- a person accepts the list
        call('HSET', app_key(c, app) .. ':limits', 'listed', check[4])
    end
    local out = { 'OK', tonumber(check[3]) }
    because(c, 'check.applied', 'check:' .. args[5], args[6], args[7], app)
    local applied = 0
    for _, id in ipairs(ids) do
        local done = call('HGET', key .. ':applied', id) ~= 'applied'
            and apply_finding(c, app, cmsgpack.unpack(call('HGET', key
                .. ':findings', id)), args[6], args[7], args[8] .. id)
        out[#out + 1] = id
        out[#out + 1] = done and 'applied' or 'skipped'
        if done then
            call('HSET', key .. ':applied', id, 'applied')
            applied = applied + 1
        end
    end
    if applied > 0 and args[6] ~= 'schedule' then
        audit_operator(c, 'check.applied', 'check:' .. args[5], app,
            applied .. ' findings made right', args[6], args[7])
    end
    keep_check(c, args[5])
    append_event(c, 'check.applied', 'check', args[5], 0, args[6], args[7],
        '')
    return out
end, {})

end

end
