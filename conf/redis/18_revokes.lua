-- Time-to-revoke: from the moment a person lost an app to the removal that is
-- verified.  Counted where a task ends, so that no restart loses a count.

local revokes = {}
do
    local BOUNDS = { 1000, 2000, 5000, 10000, 30000, 60000, 120000, 300000,
        900000, 3600000, 14400000, 86400000 } -- ms; see scim_revoke.h
    local TARGET = 60000
    local FIELDS = { 'count', 'sum', 'missed' }

    local function target_of(c, app)
        return tonumber(call('HGET', app_key(c, app) .. ':limits', 'target')
            or '') or TARGET
    end

    local function member_of(c, id)
        return c.workspace .. ' ' .. id
    end

    -- A removal is to be done; the person lost the app by the event that is
    -- its cause, also behind a settle window.
    function revokes.begin(c, app, id)
        local at = c.cause and string.match(c.cause.id, '^(%d+)-')
        local lost = math.min(tonumber(at or '') or c.now, c.now)
        call('HSET', c.prefix .. 'task:' .. id, 'lostAt', number_text(lost))
        call('ZADD', c.shard .. 'revoking', number_text(lost
            + target_of(c, app)), member_of(c, id))
    end

    -- It is not wanted any more, or it is done.
    function revokes.forget(c, app, id)
        call('ZREM', c.shard .. 'revoking', member_of(c, id))
        call('ZREM', app_key(c, app) .. ':overdue', id)
    end

    function revokes.finish(c, app, id)
        local task = call('HMGET', c.prefix .. 'task:' .. id, 'lostAt',
            'overdue')
        local lost = tonumber(task[1] or '')
        if not lost then
            return
        end
        local key, ms, bucket = app_key(c, app) .. ':revokes',
            math.max(0, c.now - lost), 1
        while BOUNDS[bucket] and ms > BOUNDS[bucket] do
            bucket = bucket + 1
        end
        call('HINCRBY', key, 'b' .. bucket, '1')
        call('HINCRBY', key, 'count', '1')
        call('HINCRBY', key, 'sum', number_text(ms))
        if ms > target_of(c, app) and not task[2] then
            call('HINCRBY', key, 'missed', '1')
        end
        revokes.forget(c, app, id)
    end

    -- What misses its target and is still open, each once: rows for task_due.
    function revokes.push_overdue(c, out)
        local key = c.shard .. 'revoking'
        for _, member in ipairs(call('ZRANGEBYSCORE', key, '-inf',
            number_text(c.now), 'LIMIT', '0', 64)) do
            local workspace, id = string.match(member, '^(%S+) (%S+)$')
            local prefix = c.shard .. workspace .. ':'
            local app = call('HGET', prefix .. 'task:' .. id, 'app')
            call('ZREM', key, member)
            if app then
                call('HSET', prefix .. 'task:' .. id, 'overdue', 1)
                call('ZADD', prefix .. 'app:' .. app .. ':overdue',
                    number_text(c.now), id)
                call('HINCRBY', prefix .. 'app:' .. app .. ':revokes',
                    'missed', 1)
                for _, text in ipairs({ workspace, id, app, 'overdue' }) do
                    out[#out + 1] = text
                end
            end
        end
    end

    -- <open and overdue> <confirmed, and still listed> <removals that are dead
    -- letters> <all dead letters> <count> <sum in ms> <missed> <bucket>...
    function revokes.push(c, app, out)
        local key = app_key(c, app)
        out[#out + 1] = call('ZCARD', key .. ':overdue')
        out[#out + 1] = call('ZCARD', key .. ':unconfirmed')
        out[#out + 1] = call('ZCOUNT', key .. ':failed', 1, 1)
        out[#out + 1] = call('ZCARD', key .. ':failed')
        local fields = { unpack(FIELDS) }
        for i = 1, #BOUNDS + 1 do
            fields[#fields + 1] = 'b' .. i
        end
        for _, value in ipairs(call('HMGET', key .. ':revokes',
            unpack(fields))) do
            out[#out + 1] = value or '0'
        end
        return out
    end
end
