-- Grants: where each state puts a person, seats, the open task.

local TASK_KEPT = 7 * 86400 -- seconds that a done task can still be looked at
local TRAIL_MAX = 400 -- bytes of the ids of a grant's audit entries
local RESERVED = 2000 -- ms in which a task waits for whoever planned it

-- ---- seats ------------------------------------------------------------------

local SEATLESS = { removed = true, waitlisted = true, expired = true }

local function seat_limit(c, app)
    return tonumber(call('HGET', app_key(c, app) .. ':limits', 'seats')
        or '')
end

-- Does the user hold a seat, or is one free for the user's place in line?
local function has_seat(c, app, user)
    local limit, key = seat_limit(c, app), app_key(c, app)
    if not limit or call('ZSCORE', key .. ':seated', user) then
        return true
    end
    local ahead = call('ZRANK', key .. ':waiting', user)
        or call('ZCARD', key .. ':waiting')
    return call('ZCARD', key .. ':seated') + ahead < limit
end

-- Free seats go to the first in line: they are planned again.
local function offer_seats(c, app)
    local limit, key = seat_limit(c, app), app_key(c, app)
    local free = (limit or 1e9) - call('ZCARD', key .. ':seated')
    if free > 0 then
        for _, user in ipairs(call('ZRANGE', key .. ':waiting', 0,
            math.min(free, CHUNK) - 1)) do
            mark_dirty(c, user, c.now)
        end
    end
end

-- ---- states -----------------------------------------------------------------

local MEMBER = { invited = true, accepted = true, connected = true,
    held = true }

-- Owners who stay: people with the role who are in the app.
local function place_owner(c, app, user, state, had_role, role)
    local key = app_key(c, app) .. ':owners'
    if role == 'owner' and MEMBER[state] then
        call('ZADD', key, '0', user)
    elseif role == 'owner' or had_role == 'owner' then
        call('ZREM', key, user)
    end
end

-- Among the app's people and the user's apps, or among those who were.
local function place_person(c, app, user, from, state)
    local key = app_key(c, app)
    if state == 'removed' then
        call('ZREM', key .. ':grants', user)
        call('ZADD', key .. ':removed', '0', user)
        call('ZREM', user_key(c, user) .. ':grants', app)
    elseif from == '' or from == 'removed' then
        call('ZADD', key .. ':grants', '0', user)
        call('ZADD', user_key(c, user) .. ':grants', '0', app)
        if from == 'removed' then
            call('ZREM', key .. ':removed', user)
        end
    end
end

-- The state alone says where a person stands, so that only what differs
-- between the two is written.
local function place_grant(c, app, user, from, state)
    local key, freed = app_key(c, app), 0
    local had_seat = from ~= '' and not SEATLESS[from]
    place_person(c, app, user, from, state)
    if state == 'waitlisted' then
        call('ZADD', key .. ':waiting', 'NX',
            call('HINCRBY', key .. ':limits', 'arrivals', '1'), user)
    elseif from == 'waitlisted' then
        freed = call('ZREM', key .. ':waiting', user)
    end
    if had_seat and SEATLESS[state] then
        freed = freed + call('ZREM', key .. ':seated', user)
    elseif not had_seat and not SEATLESS[state] then
        call('ZADD', key .. ':seated', 0, user)
    end
    if freed > 0 then
        offer_seats(c, app)
    end
end

-- Audits a change of the grant, which remembers the last of its entries.
local function audit_grant(c, actor, app, user, from, to, why)
    local key = grant_key(c, app, user)
    local trail = (call('HGET', key, 'trail') or '') .. ' '
        .. audit(c, actor, app, user, from, to, why)
    while #trail > TRAIL_MAX do
        trail = string.match(trail, '^ [^ ]+( .*)$')
    end
    call('HSET', key, 'trail', trail)
end

-- What follows from a state that was written: `was` has the former state and
-- role, `role` is the present one.
local function note_state(c, app, user, was, state, role, actor, why)
    local from = was.state
    if from ~= state then
        place_grant(c, app, user, from, state)
        audit_grant(c, actor, app, user, from, state, why)
        if state == 'removed' then
            codes.retire(c, app, user)
        elseif state == 'accepted' then
            call('HDEL', grant_key(c, app, user), 'missed')
        elseif state == 'expired' then
            call('HSET', grant_key(c, app, user), 'memberId', '',
                'appliedRole', '')
        end
    end
    place_owner(c, app, user, state, was.role, role)
end

local function set_state(c, app, user, state, actor, why)
    local key = grant_key(c, app, user)
    local was = call('HMGET', key, 'state', 'role')
    if was[1] ~= state then
        call('HSET', key, 'state', state, 'changed', number_text(c.now))
    end
    note_state(c, app, user, { state = was[1] or '', role = was[2] }, state,
        was[2], actor, why)
end

-- ---- invites -----------------------------------------------------------------

-- Who acts when somebody follows their link.
function codes.actor(user)
    return 'user:' .. user
end

-- The state is what the person said at the link, as far as it went.
function codes.follow(c, app, user)
    local said = call('HMGET', grant_key(c, app, user), 'acceptedAt',
        'connectedAt')
    if said[1] then
        set_state(c, app, user, 'accepted', codes.actor(user),
            'accepted the invite at its link')
    end
    if said[2] then
        set_state(c, app, user, 'connected', codes.actor(user),
            'says that the account is connected')
    end
end

-- ---- tasks, as grants have them -------------------------------------------------

local function task_key(c, id)
    return c.prefix .. 'task:' .. id
end

-- The app's dead letters are counted, removals by their score.
local function count_failed(c, id, failed)
    local of = call('HMGET', task_key(c, id), 'app', 'kind')
    local key = app_key(c, of[1] or '') .. ':failed'
    if failed then
        call('ZADD', key, of[2] == 'remove' and 1 or 0, id)
    else
        call('ZREM', key, id)
    end
end

local function move_task(c, id, from, to)
    if from and from ~= '' then
        call('ZREM', c.prefix .. 'tasks:' .. from, id)
    end
    call('ZADD', c.prefix .. 'tasks:' .. to, 0, id)
    call('HSET', task_key(c, id), 'state', to)
    if from ~= to and (from == 'failed' or to == 'failed') then
        count_failed(c, id, to == 'failed')
    end
end

local function schedule(c, id, due)
    local of = call('HMGET', task_key(c, id), 'app', 'kind')
    if of[1] and due then
        delivery.enqueue(c, of[1], of[2], id, due)
    elseif of[1] then
        delivery.drop(c, of[1], id)
    end
end

-- The grant's open task is not needed any more.
local function close_task(c, app, user)
    local grant = grant_key(c, app, user)
    local id = call('HGET', grant, 'task')
    if not id or id == '' then
        return
    end
    local state = call('HGET', task_key(c, id), 'state')
    if state then
        move_task(c, id, state, 'done')
        call('EXPIRE', task_key(c, id), TASK_KEPT)
        schedule(c, id, nil)
        call('ZREM', app_key(c, app) .. ':unconfirmed', id)
        revokes.forget(c, app, id)
    end
    call('HSET', grant, 'task', '')
end

local function new_task(c, change, user, txn)
    local manual = change.action == 'manual'
    local state = manual and 'manual' or 'queued'
    call('HSET', task_key(c, change.task), 'id', change.task, 'app',
        change.app, 'user', user, 'kind', change.kind, 'attempts', '0',
        'nextAt', number_text(c.now), 'unknown',
        change.unknown == '1' and '1' or '0', 'created', number_text(c.now),
        'txn', c.cause and c.cause.txn or txn, 'cause',
        c.cause and cause_text(c.cause) or '', 'state', state)
    call('ZADD', c.prefix .. 'tasks:' .. state, '0', change.task)
    if manual then
        call('HSET', task_key(c, change.task), 'reason', change.why)
        notice(c, 'task.manual', change.task, change.app, user, 'kind',
            change.kind, 'attempts', '0')
    else
        delivery.add(c, change.app, change.kind, change.task,
            c.now + RESERVED)
    end
    call('HSET', grant_key(c, change.app, user), 'task', change.task)
    if change.kind == 'invite' then
        codes.begin(c, change.app, user, change.code, change.codeHash)
    end
end
