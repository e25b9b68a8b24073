-- What the planner decided, written if every fact is still what it was.

local claim_task -- with the other work on tasks

do -- a scope of its own: a chunk holds 200 local names at most

local CHANGE_FIELDS = { 'app', 'state', 'role', 'accessRole', 'sources',
    'email', 'userName', 'lostAt', 'before', 'replan', 'kept', 'guard',
    'action', 'task', 'kind', 'unknown', 'why', 'share',
    'code', 'codeHash', 'remindedAt', 'reminded', 'reinvited' }

local function read_change(args, at)
    local change = {}
    for i, field in ipairs(CHANGE_FIELDS) do
        change[field] = args[at + i - 1]
    end
    return change
end

-- The grant as it was; empty text for what there is not.
local function read_former(key)
    local was = call('HMGET', key, 'state', 'role', 'task', 'hold', 'email',
        'userName', 'v', 'created', 'sources', 'accessRole', 'cause',
        'resend', 'remindedAt', 'reminded', 'reinvited')
    return { state = was[1] or '', role = was[2] or '', task = was[3] or '',
        hold = was[4] or '', email = was[5] or '', userName = was[6] or '',
        v = tonumber(was[7] or '') or 0, created = was[8], sources = was[9],
        accessRole = was[10], cause = was[11] or '',
        resend = was[12], remindedAt = was[13] or '0',
        reminded = was[14] or '0', reinvited = was[15] or '0' }
end

-- In one command; `state` stays what it was when a hold decides about it.
local function write_grant(c, key, change, was, state)
    local named = change.email ~= '' or change.userName ~= ''
    local now = number_text(c.now)
    call('HSET', key, 'role', change.role, 'accessRole', change.accessRole,
        'sources', change.sources, 'lostAt', change.lostAt, 'before',
        change.before, 'replan', change.replan, 'kept', change.kept, 'guard',
        change.guard, 'email', named and change.email or was.email,
        'userName', named and change.userName or was.userName, 'created',
        was.created or now, 'v', number_text(was.v + 1),
        unpack(state ~= was.state and { 'state', state, 'changed', now }
            or {}))
end

-- Most invites have no life that would have to be noted.
local function write_life(key, change, was)
    if was.resend then
        call('HDEL', key, 'resend')
    end
    if change.remindedAt ~= was.remindedAt or change.reminded ~= was.reminded
        or change.reinvited ~= was.reinvited then
        call('HSET', key, 'remindedAt', change.remindedAt, 'reminded',
            change.reminded, 'reinvited', change.reinvited)
    end
end

-- What the change means for the count of those who lose the app.
local function count_change(c, change, user, was)
    if was.state == '' then
        return -- who never had it did not lose it
    end
    if change.sources ~= '[]' or change.kept ~= '' or change.state
        == 'removed' then
        uncount_loss(c, change.app, user)
    elseif change.lostAt ~= '' and MEMBER[change.state] then
        note_loss(c, change.app, user, false)
    end
end

-- Why this change is made.  While a loss settles the grant remembers what
-- caused it: what comes to the person meanwhile is not why they are out.
local function find_cause(c, key, change, was, causes)
    local settling = read_cause(was.cause)
    local cause = cause_of_app(causes, change.app)
    local changed = was.sources ~= change.sources or was.role ~= change.role
        or was.accessRole ~= change.accessRole or change.guard == 'leaver'
    if settling and not (cause and (changed or cause.app == change.app)) then
        cause = settling
    end
    c.cause = cause
    if cause then
        cause.share = change.share ~= '' and change.share
            or settling and settling.share or ''
    end
    if change.lostAt == '' then
        if was.cause ~= '' then
            call('HDEL', key, 'cause')
        end
    elseif cause and cause ~= settling then
        call('HSET', key, 'cause', cause_text(cause))
    end
end

local function apply_change(c, user, change, causes, actor, txn)
    local key = grant_key(c, change.app, user)
    local was, hold, why = read_former(key)
    find_cause(c, key, change, was, causes)
    count_change(c, change, user, was)
    if change.guard ~= '' then
        hold, why = must_hold(c, change, user)
    end
    write_grant(c, key, change, was, hold and was.state or change.state)
    write_life(key, change, was)
    if hold then
        hold_grant(c, hold, change.app, user, change.before,
            change.guard == 'leaver', why)
        place_owner(c, change.app, user, 'held', was.role, change.role)
        return
    end
    if change.action ~= 'keep' and was.task ~= '' then
        close_task(c, change.app, user)
    end
    if change.state ~= 'held' and was.hold ~= '' then
        leave_hold(c, change.app, user)
    end
    note_state(c, change.app, user, was, change.state, change.role,
        c.cause and c.cause.actor ~= '' and c.cause.actor or actor,
        change.why)
    if change.state == 'removed' then
        call('HSET', key, 'memberId', '', 'appliedRole', '')
    end
    if change.action == 'new' or change.action == 'manual' then
        new_task(c, change, user, txn)
        if change.kind == 'remove' and change.sources == '[]' then
            revokes.begin(c, change.app, change.task)
        end
    end
end

-- plan_commit <user> <lease> <digest> <recheck at ms or 0> <actor> <txn> <n>
-- change... [<owner> <lease ms> <position of a change>...]: writes what was
-- planned if every fact is still what it was, and claims the tasks of the
-- changes named at the end.  Answers OK <others are due 0|1> { what task_claim
-- answers }, and when the guard opened a hold <app> <hold> <why>.
register('plan_commit', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local user, dirty = args[4], c.shard .. 'dirty'
    if digest(gather(c, user)) ~= args[6] then
        return { 'CONFLICT' }
    end
    local causes = causes_of(c, dirty_member(c, user))
    local changes = {}
    for i = 1, tonumber(args[10]) do
        changes[i] = read_change(args, 11 + (i - 1) * #CHANGE_FIELDS)
        apply_change(c, user, changes[i], causes, args[8], args[9])
    end
    local mark = call('ZSCORE', dirty, dirty_member(c, user))
    if mark and tonumber(mark) == tonumber(args[5]) then
        forget_causes(c, dirty_member(c, user))
        if args[7] == '0' then
            call('ZREM', dirty, dirty_member(c, user))
        else
            call('ZADD', dirty, args[7], dirty_member(c, user))
        end
    end
    local claims, owner = {}, 11 + #changes * #CHANGE_FIELDS
    for i = owner + 2, #args do
        claims[#claims + 1] = claim_task(c, changes[tonumber(args[i])].task,
            args[owner], args[owner + 1])
    end
    return { 'OK', c.woken and '1' or '0', claims, unpack(c.opened or {}) }
end, { 'allow-oom' })

end
