-- What the planner is told.

local GRANT_FIELDS = { 'state', 'role', 'accessRole', 'appliedRole',
    'sources', 'memberId', 'email', 'userName', 'v', 'task', 'lostAt',
    'before', 'replan', 'kept', 'heldAs', 'code', 'resend',
    'invitedAt', 'remindedAt', 'reminded', 'reinvited' }
local GRANT_AND_HOLD = {}
for i = 1, #GRANT_FIELDS do
    GRANT_AND_HOLD[i] = GRANT_FIELDS[i]
end
GRANT_AND_HOLD[#GRANT_FIELDS + 1] = 'hold'
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
    for _, team in ipairs(call('ZRANGE', user_key(c, user) .. ':teams', '0',
        '-1')) do
        for _, app in ipairs(call('ZRANGE', c.prefix .. 'team:' .. team
            .. ':apps', '0', '-1')) do
            push(app, 'team:' .. team)
        end
    end
    for _, app in ipairs(call('ZRANGE', user_key(c, user) .. ':apps', '0', '-1'))
    do
        if not is_gone_for_good(c, app, user) then
            push(app, 'user:' .. user)
        end
    end
end

local function push_fields(key, fields, out)
    for _, value in ipairs(call('HMGET', key, unpack(fields))) do
        out[#out + 1] = value or ''
    end
end

local function hold_state(c, id)
    return id ~= '' and call('HGET', c.prefix .. 'hold:' .. id, 'state')
        or ''
end

local function push_task(c, id, out)
    if id == '' then
        for _ = 1, #TASK_FIELDS do
            out[#out + 1] = ''
        end
        return
    end
    push_fields(c.prefix .. 'task:' .. id, TASK_FIELDS, out)
end

-- Is there no other owner in the app?
local function is_last_owner(c, app, user)
    local key = app_key(c, app) .. ':owners'
    return call('ZCARD', key) - (call('ZSCORE', key, user) and 1 or 0) == 0
end

-- <user record> <n> {app subject share} <n> {app, grant fields, state of its
-- hold, task fields} <n> {app, seat 0|1, last owner 0|1, app record}; empty
-- text for what is not there
local function gather(c, user)
    local out, apps, owned = {}, {}, {}
    out[1] = call('GET', user_key(c, user)) or ''
    push_sources(c, user, out, apps)
    local granted = call('ZRANGE', user_key(c, user) .. ':grants', '0', '-1')
    out[#out + 1] = #granted
    for _, app in ipairs(granted) do
        apps[app] = true
        local at = #out + 1
        out[at] = app
        push_fields(grant_key(c, app, user), GRANT_AND_HOLD, out)
        owned[app] = out[at + 2] == 'owner'
        out[#out] = hold_state(c, out[#out])
        push_task(c, out[at + 10], out)
    end
    local names = {}
    for app in pairs(apps) do
        names[#names + 1] = app
    end
    table.sort(names)
    out[#out + 1] = #names
    for _, app in ipairs(names) do
        out[#out + 1] = app
        out[#out + 1] = has_seat(c, app, user) and '1' or '0'
        out[#out + 1] = owned[app] and is_last_owner(c, app, user) and '1'
            or '0'
        out[#out + 1] = call('GET', app_key(c, app)) or ''
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
