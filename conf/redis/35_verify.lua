-- Removals that the app confirmed and its own list did not yet.

-- The same call, in a workspace of the shard.
local function within(c, workspace)
    return { shard = c.shard, workspace = workspace, prefix = c.shard
        .. workspace .. ':', now = c.now, dataset = c.dataset }
end

local LOOKS_RAISED = 5 -- looks at the list until somebody is told
local VERIFY_LEASE = 30000
local VERIFY_MAX = 2000 -- removals a listing verifies

local function verify_member(c, app)
    return c.workspace .. ' ' .. app
end

-- The list still shows the person; answers whether that is to be raised.
local function note_look(c, app, id)
    local looks = call('HINCRBY', task_key(c, id), 'looks', '1')
    if looks >= LOOKS_RAISED then
        call('ZADD', app_key(c, app) .. ':unconfirmed', number_text(c.now),
            id)
    end
    return looks == LOOKS_RAISED, looks
end

-- An invite was accepted before it was withdrawn: nobody takes a
-- membership away.  Who is not wanted by now is removed as a member.
local function keep_accepted(c, app, user, member)
    local grant = grant_key(c, app, user)
    call('HSET', grant, 'task', '', 'before', '', 'replan', '')
    if member ~= '' then
        call('HSET', grant, 'memberId', member)
    end
    set_state(c, app, user, 'accepted', 'sidecar',
        'accepted before the invite was withdrawn')
    mark_dirty(c, user, c.now)
end

-- The removal waits for a list; the next one that begins is one.
local function await_list(c, app, id)
    local key = app_key(c, app)
    local after = tonumber(call('HGET', key .. ':delivery', 'listAfter')
        or '') or 0
    call('ZADD', key .. ':unverified', number_text(c.now), id)
    call('ZADD', c.shard .. 'verify', 'LT', number_text(math.max(after,
        c.now + 500)), verify_member(c, app))
end

-- Apps whose list is to be looked at now, leased: rows for task_due.
local function push_verify(c, out)
    local key = c.shard .. 'verify'
    for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf',
        number_text(c.now), 'LIMIT', '0', 16)) do
        local workspace, app = string.match(member, '^(%S+) (%S+)$')
        local w = within(c, workspace)
        local down = delivery.down_until(w, app)
        local at = number_text(down and down + 1000 or c.now + VERIFY_LEASE)
        call('ZADD', key, at, member)
        call('HSET', app_key(w, app) .. ':delivery', 'listAfter', at)
        if not down then
            for _, text in ipairs({ workspace, app, app, 'verify' }) do
                out[#out + 1] = text
            end
        end
    end
    return tonumber(call('ZRANGE', key, '0', '0', 'WITHSCORES')[2] or '')
end
