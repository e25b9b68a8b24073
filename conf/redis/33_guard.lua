-- The mass-removal guard: more removals of an app within its window than its
-- limit wait for a person.  Counted here, so that it holds for all sidecars.
-- Leavers have a count of their own: one who leaves never waits for others
-- who lost a share, many leavers at once do.

local SUSPECTS_MAX = 2000 -- looked at in one call

local function guard_limits(c, app)
    local key = app_key(c, app) .. ':limits'
    local set = call('HMGET', key, 'percent', 'count', 'window', 'base')
    return {
        percent = tonumber(set[1] or '') or 20,
        count = tonumber(set[2] or '') or 10,
        window = (tonumber(set[3] or '') or 600) * 1000,
        base = tonumber(set[4] or '') or 0,
    }
end

-- Notes that the user loses the app, and how many may in this window.
local function note_loss(c, app, user, leaver)
    local key, limits = app_key(c, app), guard_limits(c, app)
    local old = number_text(c.now - limits.window)
    call('ZREMRANGEBYSCORE', key .. ':leaving', '-inf', old)
    call('ZREMRANGEBYSCORE', key .. ':leavers', '-inf', old)
    -- the percentage is one of the people at the window's start
    local base = call('ZCARD', key .. ':grants') - call('ZCARD', key
        .. ':waiting')
    if call('ZCARD', key .. ':leaving') > 0 then
        base = math.max(base, limits.base)
    end
    if base ~= limits.base then
        call('HSET', key .. ':limits', 'base', base)
    end
    call('ZADD', key .. ':leaving', number_text(c.now), user)
    if leaver then
        call('ZADD', key .. ':leavers', number_text(c.now), user)
    end
    limits.max = math.max(limits.count, base * limits.percent / 100)
    return limits
end

local function uncount_loss(c, app, user)
    local key = app_key(c, app)
    call('ZREM', key .. ':leaving', user)
    call('ZREM', key .. ':leavers', user)
end

local function is_shared(c, app, user)
    local shares, key = app_key(c, app) .. ':shares', user_key(c, user)
    if not is_active(call('GET', key)) then
        return false
    end
    if call('HEXISTS', shares, 'user:' .. user) == 1 then
        return true
    end
    for _, team in ipairs(call('ZRANGE', key .. ':teams', '0', '-1')) do
        if call('HEXISTS', shares, 'team:' .. team) == 1 then
            return true
        end
    end
    return false
end

-- People whom the same change touched and who were not planned yet: those who
-- do lose their access count.
local function count_suspects(c, app)
    local key = app_key(c, app)
    for _, user in ipairs(call('ZRANGE', key .. ':suspects', 0,
        SUSPECTS_MAX - 1)) do
        call('ZREM', key .. ':suspects', user)
        local grant = call('HMGET', grant_key(c, app, user), 'memberId',
            'appliedRole', 'kept')
        if ((grant[1] or '') ~= '' or (grant[2] or '') ~= '')
            and (grant[3] or '') == '' and not is_shared(c, app, user) then
            call('ZADD', key .. ':leaving', number_text(c.now), user)
        end
    end
end

-- ---- holds ------------------------------------------------------------------

local function open_hold(c, change, limits, why)
    local id, app = change.task, change.app
    call('HSET', c.prefix .. 'hold:' .. id, 'id', id, 'app', app, 'state',
        'open', 'created', number_text(c.now))
    call('ZADD', c.prefix .. 'holds', 0, id)
    call('ZADD', c.prefix .. 'holds:open', '0', id)
    call('SET', app_key(c, app) .. ':hold', id)
    audit(c, 'sidecar', app, '', '', 'open', 'hold ' .. id .. ': ' .. why,
        'hold.open', id)
    c.opened = { app, id, why }
    return id
end

local function hold_grant(c, hold, app, user, before, leaver, why)
    close_task(c, app, user)
    call('HSET', grant_key(c, app, user), 'hold', hold, 'heldAs',
        leaver and 'leaver' or '', 'before', before, 'replan', '')
    call('ZADD', c.prefix .. 'hold:' .. hold .. ':users', '0', user)
    set_state(c, app, user, 'held', 'sidecar', why)
end

-- Removals that are queued and were not sent are held, too.
local function hold_queued(c, hold, app, set, leavers, why)
    for _, user in ipairs(call('ZRANGE', set, '0', '-1')) do
        local grant = call('HMGET', grant_key(c, app, user), 'state', 'task',
            'before', 'guard')
        if grant[1] == 'removing' and ((grant[4] == 'loss')
            or (leavers and grant[4] == 'leaver')) then
            local task = call('HMGET', task_key(c, grant[2]), 'state',
                'attempts')
            if task[1] == 'queued' and task[2] == '0' then
                local cause = c.cause
                c.cause = read_cause(call('HGET', task_key(c, grant[2]),
                    'cause'))
                hold_grant(c, hold, app, user, grant[3],
                    grant[4] == 'leaver', why)
                call('HINCRBY', grant_key(c, app, user), 'v', '1')
                c.cause = cause
            end
        end
    end
end

-- The hold that a removal must wait in, or nil: it may go.
local function must_hold(c, change, user)
    local leaver = change.guard == 'leaver'
    local key = app_key(c, change.app)
    local limits = note_loss(c, change.app, user, leaver)
    local set = key .. (leaver and ':leavers' or ':leaving')
    local hold = call('GET', key .. ':hold')
    if not leaver and not hold and call('ZCARD', set)
        + call('ZCARD', key .. ':suspects') > limits.max then
        count_suspects(c, change.app)
    end
    local over = call('ZCARD', set) - math.floor(limits.max)
    if over <= 0 and (leaver or not hold) then
        return nil
    end
    local why = string.format('more than %d removals within %d s',
        math.floor(limits.max), limits.window / 1000)
    if not hold then
        -- the id that the task would have had is as good as any
        hold = open_hold(c, change, limits, why)
        hold_queued(c, hold, change.app, set, leaver, why)
    elseif leaver and over == 1 then
        hold_queued(c, hold, change.app, set, true, why)
    end
    return hold, why
end

-- Decided: the count begins anew, so that the next few are not held at once.
local function close_hold(c, app, id, state, actor, reason)
    local key = app_key(c, app)
    call('HSET', c.prefix .. 'hold:' .. id, 'state', state, 'decided',
        number_text(c.now), 'actor', actor, 'reason', reason)
    call('ZREM', c.prefix .. 'holds:open', id)
    call('DEL', key .. ':hold', key .. ':leaving', key .. ':leavers', key
        .. ':suspects')
    audit(c, actor, app, '', 'open', state, 'hold ' .. id
        .. (reason ~= '' and ': ' .. reason or ''), 'hold.' .. state, id)
end

-- A held person is not held any more.
local function leave_hold(c, app, user)
    local grant = grant_key(c, app, user)
    local id = call('HGET', grant, 'hold')
    if not id or id == '' then
        return
    end
    local hold = c.prefix .. 'hold:' .. id
    call('HSET', grant, 'hold', '', 'heldAs', '')
    if call('HGET', hold, 'state') ~= 'open' then
        return
    end
    call('ZREM', hold .. ':users', user)
    if call('ZCARD', hold .. ':users') == 0 then
        close_hold(c, app, id, 'rejected', 'sidecar', 'nobody is left in it')
    end
end
