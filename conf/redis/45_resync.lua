-- Everything that is derived is derived again: hints of memberships, teams,
-- the places of grants, and what everybody should have.  Where all is right
-- nothing changes.

do -- a scope of its own: a chunk holds 200 local names at most

local RESYNC_PAGE = 200 -- members or people looked at in one call

-- Element of a collection behind `after`, or nil.
local function next_id(key, after)
    return id_page(key, after, 1)[1]
end

-- A position is `<outer id> <inner id>`: where in the inner set to go on.
local function walk(c, set, inner, position, look)
    local outer, after = string.match(position, '^(%S*) ?(.*)$')
    if outer == '' then
        outer, after = next_id(c.prefix .. set, ''), ''
    end
    if not outer then
        return ''
    end
    local page = id_page(inner(outer), after, RESYNC_PAGE)
    look(outer, page, #page < RESYNC_PAGE)
    if #page == RESYNC_PAGE then
        return outer .. ' ' .. page[#page]
    end
    outer = next_id(c.prefix .. set, outer)
    return outer and outer .. ' ' or ''
end

-- What is kept beside a membership to find it from the other side.
local function resync_groups(c, position)
    return walk(c, 'groups', function(group)
        return c.prefix .. 'group:' .. group .. ':members'
    end, position, function(group, members, whole)
        for _, member in ipairs(members) do
            call('ZADD', hint_key(c, member), '0', group)
        end
        if whole then
            following.ensure_team(c, group)
        end
    end)
end

local function resync_teams(c, position)
    return walk(c, 'teams', function(team)
        return c.prefix .. 'team:' .. team .. ':members'
    end, position, function(team, users, whole)
        for _, user in ipairs(users) do
            call('ZADD', user_key(c, user) .. ':teams', '0', team)
            if not call('ZSCORE', c.prefix .. 'users', user) then
                following.follow(c, user)
                mark_dirty(c, user, c.now)
            end
        end
        if whole and following.is_scim_team(c, team) and call('EXISTS', c.prefix
            .. 'group:' .. team, c.prefix .. 'team:' .. team .. ':members')
            == 0 then
            following.drop_team(c, team)
        end
    end)
end

local function resync_users(c, position)
    local page = id_page(c.prefix .. 'users', position, RESYNC_PAGE)
    for _, user in ipairs(page) do
        following.follow(c, user)
        for _, team in ipairs(call('ZRANGE', user_key(c, user) .. ':teams', '0',
            '-1')) do
            call('ZADD', c.prefix .. 'team:' .. team .. ':members', '0', user)
        end
        look_at_leaver(c, user, is_active(call('GET', user_key(c, user))))
        if following.concerns_access(c, user) then
            mark_dirty(c, user, c.now)
        end
    end
    return #page == RESYNC_PAGE and page[#page] or ''
end

-- In the set or not, as it should be.
local function place(key, member, wanted)
    local is = call('ZSCORE', key, member) and true or false
    if wanted and not is then
        call('ZADD', key, '0', member)
    elseif is and not wanted then
        call('ZREM', key, member)
    end
end

local function place_in_line(c, key, user, waits)
    if not waits then
        place(key .. ':waiting', user, false)
    elseif not call('ZSCORE', key .. ':waiting', user) then
        call('ZADD', key .. ':waiting', call('HINCRBY', key .. ':limits',
            'arrivals', 1), user)
    end
end

-- The sets that say where a grant stands follow its state.
local function repair_place(c, app, user)
    local key = app_key(c, app)
    local grant = call('HMGET', grant_key(c, app, user), 'state', 'role')
    local state = grant[1] or ''
    local lives = state ~= '' and state ~= 'removed'
    place(key .. ':grants', user, lives)
    place(key .. ':removed', user, state == 'removed')
    place(user_key(c, user) .. ':grants', app, lives)
    place(key .. ':seated', user, lives and not SEATLESS[state])
    place_in_line(c, key, user, state == 'waitlisted')
    place_owner(c, app, user, state, 'owner', grant[2])
    if not call('ZSCORE', c.prefix .. 'users', user) then
        mark_dirty(c, user, c.now)
    end
end

-- Two of the sets, so that one who is missing in either is found.
local function resync_grants(c, position, set)
    return walk(c, 'apps', function(app)
        return app_key(c, app) .. set
    end, position, function(app, users, whole)
        for _, user in ipairs(users) do
            repair_place(c, app, user)
        end
        if whole then
            offer_seats(c, app)
        end
    end)
end

local STEPS = {
    { 'groups', resync_groups },
    { 'teams', resync_teams },
    { 'seats', function(c, at) return resync_grants(c, at, ':seated') end },
    { 'grants', function(c, at) return resync_grants(c, at, ':grants') end },
    { 'users', resync_users },
}

-- resync_page <step or empty> <position>: OK <step> <position>, to go on
-- with; an empty step: that was all.
register('resync_page', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    for i, step in ipairs(STEPS) do
        if args[4] == '' or args[4] == step[1] then
            local position = step[2](c, args[5])
            if position ~= '' then
                return { 'OK', step[1], position }
            end
            return { 'OK', STEPS[i + 1] and STEPS[i + 1][1] or '', '' }
        end
    end
    return { 'NOTFOUND', 'step' }
end, { 'allow-oom' })

-- resync <actor> <txn>: asks a sidecar to do it.  → OK <event>
register('resync', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    append_event(c, 'resync', 'workspace', c.workspace, 0, args[4], args[5],
        '')
    return { 'OK' }
end, {})

-- ---- events once more ---------------------------------------------------------

local function again(c, values, id, actor, txn)
    append_event(c, values.op, values.type, id, values.v or 0, actor, txn,
        values.data or '')
end

-- replay <events|dead> <after: an id> <until: an id> <limit> <actor> <txn>:
-- the workspace's events that are still kept, or those that were set aside
-- because nobody understood them, are appended again.  Answers OK <n> <after,
-- to go on, or empty>.
register('replay', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local dead, limit, n = args[4] == 'dead', tonumber(args[7]), 0
    local key = dead and c.shard .. 'dead' or keys[1]
    local page = call('XRANGE', key, args[5] == '' and '-' or '(' .. args[5],
        args[6], 'COUNT', limit)
    for _, entry in ipairs(page) do
        local values = entry_values(entry)
        local id = dead and values.about or values.id
        if values.ws == c.workspace and values.type and id then
            again(c, values, id, args[8], args[9])
            n = n + 1
            if dead then
                call('XDEL', key, entry[1])
            end
        end
    end
    return { 'OK', n, #page == limit and page[#page][1] or '' }
end, {})

-- last_event → OK <id of the newest event>
register('last_event', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local last = call('XREVRANGE', keys[1], '+', '-', 'COUNT', 1)[1]
    return { 'OK', last and last[1] or '0-0' }
end, { 'no-writes' })

end
