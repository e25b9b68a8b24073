-- Teams follow groups; whose access must be looked at again.

local function user_key(c, id)
    return c.prefix .. 'user:' .. id
end

local function app_key(c, app)
    return c.prefix .. 'app:' .. app
end

local function grant_key(c, app, user)
    return c.prefix .. 'grant:' .. app .. ':' .. user
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
    c.woken = c.woken or due <= c.now
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

-- A change of a team or of a share may be about to cost the user the app.
local function suspect_app(c, app, user)
    local key = app_key(c, app)
    if call('ZSCORE', key .. ':grants', user) then
        call('ZADD', key .. ':suspects', number_text(c.now), user)
    end
end

local function suspect(c, team, user)
    for _, app in ipairs(call('ZRANGE', c.prefix .. 'team:' .. team
        .. ':apps', 0, -1)) do
        suspect_app(c, app, user)
    end
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
        suspect(c, team, user)
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

local MARKED = { team = ':members', app = ':grants', hold = ':users' }

-- mark <key kind: team|app|hold> <id> <after> <limit> <app or empty>: marks a
-- page of a team's members, of the people with a grant of an app, or of those
-- in a hold; they may lose the app named.  Answers OK last n.
register('mark', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. args[4] .. ':' .. args[5]
        .. MARKED[args[4]]
    local page = call('ZRANGEBYLEX', key, '(' .. args[6], '+', 'LIMIT', 0,
        math.min(tonumber(args[7]), CHUNK))
    for _, user in ipairs(page) do
        if args[8] ~= '' then
            suspect_app(c, args[8], user)
        end
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
