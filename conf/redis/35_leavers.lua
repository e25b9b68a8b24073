-- What operators granted to somebody who left: individual shares and places in
-- manual teams.  Back within the app's window the person has them again; after
-- that they are gone for good.

do -- a scope of its own: a chunk holds 200 local names at most

local DAY = 86400000 -- ms
local RESTORE = 30 * DAY -- where the app says nothing

local function window_of(c, app)
    return tonumber(call('HGET', app_key(c, app) .. ':limits', 'restore')
        or '') or RESTORE
end

-- A team waits as long as the most patient of its apps.
local function window_of_team(c, team)
    local longest
    for _, app in ipairs(call('ZRANGE', c.prefix .. 'team:' .. team
        .. ':apps', '0', '-1')) do
        longest = math.max(longest or 0, window_of(c, app))
    end
    return longest or RESTORE
end

local function days(window)
    return string.format('%g days', window / DAY)
end

-- Manual teams, and for somebody who was deleted those of before.
local function teams_of(c, user)
    local key, found = user_key(c, user), {}
    for _, team in ipairs(call('ZRANGE', key .. ':teams', '0', '-1')) do
        if not following.is_scim_team(c, team) then
            found[#found + 1] = team
        end
    end
    for _, team in ipairs(call('ZRANGE', key .. ':former', '0', '-1')) do
        found[#found + 1] = team
    end
    return found
end

local function left_at(c, user)
    return tonumber(call('HGET', c.prefix .. 'left', user) or '')
end

is_gone_for_good = function(c, app, user)
    local left = left_at(c, user)
    return left and left + window_of(c, app) <= c.now
end

local function state_of(c, app, user)
    return call('HGET', grant_key(c, app, user), 'state') or ''
end

local function drop_share(c, app, user, why)
    local state = state_of(c, app, user)
    call('HDEL', app_key(c, app) .. ':shares', 'user:' .. user)
    call('ZREM', user_key(c, user) .. ':apps', app)
    because(c, 'restore.expired', 'user:' .. user, 'sidecar', '', app)
    c.cause.share = 'user:' .. user
    audit_grant(c, 'sidecar', app, user, state, state, why)
end

local function drop_place(c, team, user, why)
    local key = user_key(c, user)
    call('ZREM', c.prefix .. 'team:' .. team .. ':members', user)
    call('ZREM', key .. ':teams', team)
    call('ZREM', key .. ':former', team)
    because(c, 'restore.expired', 'user:' .. user, 'sidecar', '')
    c.cause.share = 'team:' .. team
    audit(c, 'sidecar', '', user, 'member', 'removed', why)
end

-- Drops what waited too long; answers when the next may (ms), nil = never.
local function drop_expired(c, user, left)
    local next_due
    local function is_due(window)
        local due = left + window
        if due > c.now then
            next_due = math.min(next_due or due, due)
        end
        return due <= c.now
    end
    for _, app in ipairs(call('ZRANGE', user_key(c, user) .. ':apps', '0', '-1'))
    do
        local window = window_of(c, app)
        if is_due(window) then
            drop_share(c, app, user, 'not back within ' .. days(window)
                .. ': the individual share is gone')
        end
    end
    for _, team in ipairs(teams_of(c, user)) do
        local window = window_of_team(c, team)
        if is_due(window) then
            drop_place(c, team, user, 'not back within ' .. days(window)
                .. ': the place in the team is gone')
        end
    end
    return next_due
end

local function forget_leaver(c, user)
    call('HDEL', c.prefix .. 'left', user)
    call('ZREM', c.shard .. 'left', dirty_member(c, user))
    call('DEL', user_key(c, user) .. ':former')
end

-- When the event that says so was written, which may be a while ago.
local function leave_time(c)
    local ms = c.cause and tonumber(string.match(c.cause.id, '^(%d+)-') or '')
    return math.min(ms or c.now, c.now)
end

local function note_leave(c, user)
    local key = user_key(c, user)
    if call('EXISTS', key .. ':apps', key .. ':former') == 0
        and #teams_of(c, user) == 0 then
        return
    end
    call('HSET', c.prefix .. 'left', user, number_text(leave_time(c)))
    call('ZADD', c.shard .. 'left', number_text(c.now), dirty_member(c, user))
end

local function audit_return(c, app, user, what)
    local state = state_of(c, app, user)
    audit_grant(c, c.cause and c.cause.actor or 'sidecar', app, user, state,
        state, 'back in time: ' .. what)
end

local function welcome_back(c, user, left)
    local cause = c.cause
    drop_expired(c, user, left)
    c.cause = cause
    for _, app in ipairs(call('ZRANGE', user_key(c, user) .. ':apps', '0', '-1'))
    do
        audit_return(c, app, user, 'the individual share counts again')
    end
    forget_leaver(c, user)
end

-- Somebody who was deleted is back under a new id.
local function take_over(c, user, former)
    local cause = c.cause
    drop_expired(c, former, left_at(c, former) or leave_time(c))
    c.cause = cause
    local old, key = user_key(c, former), user_key(c, user)
    for _, app in ipairs(call('ZRANGE', old .. ':apps', '0', '-1')) do
        local shares = app_key(c, app) .. ':shares'
        local share = call('HGET', shares, 'user:' .. former)
        if share then
            call('HDEL', shares, 'user:' .. former)
            call('HSETNX', shares, 'user:' .. user, share)
            call('ZADD', key .. ':apps', 0, app)
            audit_return(c, app, user, 'the individual share of ' .. former)
        end
    end
    for _, team in ipairs(teams_of(c, former)) do
        if call('EXISTS', c.prefix .. 'team:' .. team) == 1 then
            call('ZADD', c.prefix .. 'team:' .. team .. ':members', '0', user)
            call('ZADD', key .. ':teams', '0', team)
        end
    end
    call('DEL', old .. ':apps')
    forget_leaver(c, former)
end

look_at_leaver = function(c, user, active)
    local former = call('HGET', c.prefix .. 'returned', user)
    local left = left_at(c, user)
    if former then
        call('HDEL', c.prefix .. 'returned', user)
        take_over(c, user, former)
    end
    if active and left then
        welcome_back(c, user, left)
    elseif not active and not left then
        note_leave(c, user)
    end
end

-- Who the deleted person was need not be known any longer.
local function forget_identity(c, user)
    local key, cursor = c.prefix .. 'former', '0'
    repeat
        local page = call('HSCAN', key, cursor, 'COUNT', CHUNK)
        cursor = page[1]
        for i = 1, #page[2], 2 do
            if page[2][i + 1] == user then
                call('HDEL', key, page[2][i])
            end
        end
    until cursor == '0'
end

-- leavers_due <limit>: drops what waited too long, in the whole shard.
-- Answers OK <leavers that still wait>.
register('leavers_due', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.shard .. 'left'
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf',
        number_text(c.now), 'LIMIT', '0', tonumber(args[4]))) do
        local workspace, user = string.match(member, '^(%S+) (%S+)$')
        c.workspace, c.prefix = workspace, c.shard .. workspace .. ':'
        local left, next_due = left_at(c, user), nil
        if left and not is_active(call('GET', user_key(c, user))) then
            next_due = drop_expired(c, user, left)
            if not next_due then
                forget_leaver(c, user)
                forget_identity(c, user)
            end
        elseif left then -- the event that says so is on its way
            next_due = c.now + 60000
        end
        if next_due then
            call('ZADD', key, number_text(next_due), member)
        else
            call('ZREM', key, member)
        end
    end
    return { 'OK', call('ZCARD', key) }
end, { 'allow-oom' })

end
