-- Teams follow groups; whose access must be looked at again.
local STEPS_MAX = 600 -- of one call that makes teams follow
local PEOPLE_MAX = 200 -- members that it reads at once

local function user_key(c, id)
    return c.prefix .. 'user:' .. id
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
    note_cause(c, dirty_member(c, user))
end

-- The same for many, in few commands.
local function mark_all_dirty(c, users, due)
    local list, score = {}, number_text(due)
    c.woken = c.woken or (#users > 0 and due <= c.now)
    for i, user in ipairs(users) do
        list[2 * i - 1] = score
        list[2 * i] = dirty_member(c, user)
        note_cause(c, list[2 * i])
    end
    call_in_chunks('ZADD', c.shard .. 'dirty', list)
end

-- ---- teams follow groups -----------------------------------------------------

local following = {} -- what later files use of this

do -- a scope of its own: a chunk holds 200 local names at most

local function ensure_team(c, group)
    local name = call('HGET', names_key(c, 'group'), group)
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
    for _, app in ipairs(call('ZRANGE', key .. ':apps', '0', '-1')) do
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
        .. ':apps', '0', '-1')) do
        suspect_app(c, app, user)
    end
end

local function join_team(c, team, user)
    c.ensured = c.ensured or {}
    if not c.ensured[team] then
        c.ensured[team] = true
        ensure_team(c, team)
    end
    call('ZADD', c.prefix .. 'team:' .. team .. ':members', 0, user)
    call('ZADD', user_key(c, user) .. ':teams', '0', team)
end

local function leave_team(c, team, user)
    suspect(c, team, user)
    call('ZREM', c.prefix .. 'team:' .. team .. ':members', user)
    call('ZREM', user_key(c, user) .. ':teams', team)
end

local function is_scim_team(c, team)
    local record = call('GET', c.prefix .. 'team:' .. team)
    return not record or string.find(record, '"source":"scim"', 1, true)
end

-- The user's teams become what the directory says now: all groups that hold
-- the user, directly or by others.  Always all of them: were it only the team
-- that an event names, a group that leaves another at the same time would
-- take its people along, but not those who just left it.  Answers whether a
-- team changed.
local function follow(c, user)
    local key, wanted, changed = user_key(c, user), {}, false
    local record = call('GET', key)
    local teams = call('ZRANGE', key .. ':teams', '0', '-1')
    local groups = is_active(record) and groups_of(c, 'U' .. user) or {}
    for _, group in ipairs(groups) do
        wanted[group] = 'join'
    end
    for _, team in ipairs(teams) do
        if wanted[team] then
            wanted[team] = 'stay'
        elseif not record or is_scim_team(c, team) then
            if not is_scim_team(c, team) then -- given back, should they return
                call('ZADD', key .. ':former', '0', team)
            end
            leave_team(c, team, user)
            changed = true
        end
    end
    for _, group in ipairs(groups) do
        if wanted[group] == 'join' then
            join_team(c, group, user)
            changed = true
        end
    end
    c.steps = (c.steps or 0) + 5 + #teams + #groups
    return changed
end

-- Marks those of the users whose teams change, until as many steps were made
-- as one call may take.  Answers how many were looked at.
local function follow_all(c, users, marked_until, out)
    local changed, done = {}, #users
    for i, user in ipairs(users) do
        if follow(c, user) then
            changed[#changed + 1] = user
            out[#out + 1] = user
        end
        if c.steps >= STEPS_MAX then
            done = i
            break
        end
    end
    mark_all_dirty(c, changed, marked_until)
    return done
end

-- `until` of the calls before, 0 = this one is the first.
local function lease_until(c, lease, since)
    return since == '0' and c.now + tonumber(lease) or tonumber(since)
end

-- The team's record is named as the group, or goes with it.
local function sync_record(c, group)
    if call('EXISTS', c.prefix .. 'group:' .. group) == 1 then
        ensure_team(c, group)
        c.ensured = { [group] = true }
    elseif call('ZCARD', c.prefix .. 'team:' .. group .. ':members') == 0 then
        drop_team(c, group)
    end
end

-- team_sync <group>: the team's record, named as the group; gone once the
-- group is and nobody is left in the team.
register('team_sync', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    sync_record(c, args[4])
    return { 'OK' }
end, { 'allow-oom' })

-- users_sync <lease ms> <until or 0> <group or empty> <user>...: the teams of
-- these users, after that group's team_sync.  Answers OK <until> <users done>
-- and those whose teams changed, marked dirty and leased to the caller until
-- then.
register('users_sync', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local leased = lease_until(c, args[4], args[5])
    local out = { 'OK', number_text(leased), 0 }
    if args[6] ~= '' then
        sync_record(c, args[6])
    end
    out[3] = follow_all(c, { unpack(args, 7) }, leased, out)
    return out
end, { 'allow-oom' })

-- people_sync <lease ms> <until or 0> <group|team> <id> <after>: the same for a
-- page of a group's or a team's own members.  Answers OK <until> <after, to go
-- on, or empty> <n> <group among the members>... <user whose teams changed>...
register('people_sync', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local leased = lease_until(c, args[4], args[5])
    local page = call('ZRANGEBYLEX', c.prefix .. args[6] .. ':' .. args[7]
        .. ':members', '(' .. args[8], '+', 'LIMIT', '0', PEOPLE_MAX)
    local out, users = { 'OK', number_text(leased), '', 0 }, {}
    for _, member in ipairs(page) do
        if args[6] == 'team' then
            users[#users + 1] = member
        elseif string.sub(member, 1, 1) == 'U' then
            users[#users + 1] = string.sub(member, 2)
        else -- groups come first
            out[#out + 1] = string.sub(member, 2)
        end
    end
    out[4] = #out - 4
    local done = out[4] + follow_all(c, users, leased, out)
    if done < #page or #page == PEOPLE_MAX then
        out[3] = page[done]
    end
    return out
end, { 'allow-oom' })

-- dirty_release <until> <limit>: who is leased until then is due now.  Answers
-- OK <how many>.
register('dirty_release', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.shard .. 'dirty'
    local found = call('ZRANGEBYSCORE', key, args[4], args[4], 'LIMIT', '0',
        args[5])
    for _, member in ipairs(found) do
        call('ZADD', key, number_text(c.now), member)
    end
    return { 'OK', #found }
end, { 'allow-oom' })

local function concerns_access(c, user)
    local key = user_key(c, user)
    return call('EXISTS', key .. ':teams', key .. ':apps', key .. ':grants')
        > 0
end

-- In no group, no team and no app: as most people are who were just made.
local function is_apart(c, user)
    local key = user_key(c, user)
    return call('EXISTS', key .. ':groups', key .. ':teams', key .. ':apps',
        key .. ':grants') == 0
        and call('HEXISTS', c.prefix .. 'returned', user) == 0
end

following.ensure_team, following.drop_team = ensure_team, drop_team
following.follow, following.is_scim_team = follow, is_scim_team
following.concerns_access = concerns_access

-- user_sync <lease ms> <user>: the teams of one user, as the directory is now.
-- Answers OK, and the lease and the user when there is something to plan.
register('user_sync', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local user = args[5]
    if is_apart(c, user) then
        return { 'OK' }
    end
    follow(c, user)
    look_at_leaver(c, user, is_active(call('GET', user_key(c, user))))
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
    if c.cause and args[4] == 'hold' then
        c.cause.app = call('HGET', c.prefix .. 'hold:' .. args[5], 'app')
    end
    local page = call('ZRANGEBYLEX', key, '(' .. args[6], '+', 'LIMIT', '0',
        math.min(tonumber(args[7]), CHUNK))
    if args[8] ~= '' then
        for _, user in ipairs(page) do
            suspect_app(c, args[8], user)
        end
    end
    mark_all_dirty(c, page, c.now)
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
    local out, leased = { 'OK', lease, '' }, {}
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf',
        number_text(c.now), 'LIMIT', '0', tonumber(args[5]))) do
        leased[#leased + 1] = lease
        leased[#leased + 1] = member
        local workspace, user = string.match(member, '^(%S+) (%S+)$')
        out[#out + 1] = workspace
        out[#out + 1] = user
    end
    call_in_chunks('ZADD', key, leased)
    local first = call('ZRANGE', key, '0', '0', 'WITHSCORES')
    out[3] = first[2] and number_text(tonumber(first[2]) - c.now) or ''
    return out
end, { 'allow-oom' })

end
