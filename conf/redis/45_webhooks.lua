-- Webhooks: subscriptions, their cursors in the audit stream, what is tried
-- again, and who delivers.

do -- names of this file alone: Lua allows 200 at the top level

local WEBHOOKS_MAX = 20 -- of a workspace
local RETRIES_MAX = 1000 -- deliveries that wait for another try; then no new
local RETRIES_FAILING = 4 -- the same while nothing new is accepted, but for
local PROBE_FIRST, PROBE_LAST = 1000, 3600000 -- ms between single new ones
local SCANNED = 200 -- subscriptions looked at for some that do not fail
local GIVE_UP = 3 * 86400000 -- ms
local IDLE = 60000 -- ms after which one that nothing wakes is looked at
local KEPT = 200 -- deliveries that can be looked at
local ENTRY_FIELDS = { 'ts', 'actor', 'app', 'user', 'from', 'to', 'why',
    'event', 'ref', 'kind', 'attempts', 'status', 'count', 'suspicious',
    'share', 'txn' }
local SHOWN = { 'off', 'cursor', 'failing', 'delivered', 'givenUp',
    'gapAfter', 'gapAt' }

local function webhook_key(c, id)
    return c.prefix .. 'webhook:' .. id
end

local function first_behind(c, cursor)
    local found = call('XRANGE', c.prefix .. 'audit', '(' .. cursor, '+',
        'COUNT', 1)
    return found[1] and found[1][1] or ''
end

-- Whoever delivers now does so no more: its commits are refused.
local function free_webhook(c, id)
    local key = webhook_key(c, id) .. ':state'
    call('HINCRBY', key, 'epoch', '1')
    call('HSET', key, 'owner', '', 'paused', '')
    queue_in(c, 'webhooks', id, (call('HGET', key, 'off') or '') == '' and c.now
        or nil)
end

local function push_state(c, id, out)
    local key = webhook_key(c, id)
    for _, value in ipairs(call('HMGET', key .. ':state', unpack(SHOWN))) do
        out[#out + 1] = value or ''
    end
    out[#out + 1] = call('ZCARD', key .. ':retries')
    return out
end

-- The days that a delivery is tried for begin now.
local function begin_anew(c, key)
    for _, entry in ipairs(call('ZRANGE', key .. ':retries', '0', '-1')) do
        call('ZADD', key .. ':retries', number_text(c.now), entry)
        call('HSET', key .. ':attempts', entry, '0 ' .. number_text(c.now))
    end
end

local function last_entry(c)
    local last = call('XREVRANGE', c.prefix .. 'audit', '+', '-', 'COUNT', 1)
    return last[1] and last[1][1] or '0-0'
end

-- webhook_put <id> <if version: 0 = new> <json> <enabled: 1, 0, empty = as it
-- is> <actor> <txn> <why> app... → OK <version> <shown fields> <retries>
register('webhook_put', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, key = args[4], webhook_key(c, args[4])
    local old = call('GET', key)
    local version = old and version_of(old) or 0
    if args[5] ~= '0' and not old then
        return { 'NOTFOUND', 'webhook' }
    end
    if tonumber(args[5]) ~= version then
        return { 'VERSION' }
    end
    if not old and call('ZCARD', c.prefix .. 'webhooks') >= WEBHOOKS_MAX then
        return { 'LIMIT' }
    end
    for i = 11, #args do
        if call('EXISTS', app_key(c, args[i])) == 0 then
            return { 'NOTFOUND', 'app' }
        end
    end
    audit_operator(c, old and 'webhook.updated' or 'webhook.created',
        'webhook:' .. id, '', args[10], args[8], args[9])
    call('SET', key, string.format('%010.0f', version + 1) .. args[6])
    call('ZADD', c.prefix .. 'webhooks', '0', id)
    if not old then
        call('HSET', key .. ':state', 'cursor', last_entry(c), 'created',
            number_text(c.now))
    end
    if args[7] ~= '' then
        call('HSET', key .. ':state', 'off', args[7] == '1' and ''
            or 'by an operator', 'failing', '')
    end
    if args[7] == '1' then
        begin_anew(c, key)
    end
    free_webhook(c, id)
    append_event(c, 'webhook.put', 'webhook', id, number_text(version + 1),
        args[8], args[9], '')
    return push_state(c, id, { 'OK', number_text(version + 1) })
end, {})

-- webhook_delete <id> <actor> <txn>
register('webhook_delete', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = webhook_key(c, args[4])
    if call('DEL', key) == 0 then
        return { 'NOTFOUND', 'webhook' }
    end
    call('DEL', key .. ':state', key .. ':retries', key .. ':attempts', key
        .. ':deliveries')
    call('ZREM', c.prefix .. 'webhooks', args[4])
    queue_in(c, 'webhooks', args[4], nil)
    audit_operator(c, 'webhook.deleted', 'webhook:' .. args[4], '', '',
        args[5], args[6])
    return { 'OK' }
end, { 'allow-oom' })

-- webhook <id> → OK <record> <shown fields> <retries> | NOTFOUND
register('webhook', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local record = call('GET', webhook_key(c, args[4]))
    return record and push_state(c, args[4], { 'OK', record })
        or { 'NOTFOUND', 'webhook' }
end, { 'no-writes' })

-- webhooks <after> <limit> → OK { id record <shown fields> <retries> }...
register('webhooks', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK' }
    for _, id in ipairs(id_page(c.prefix .. 'webhooks', args[4],
        tonumber(args[5]))) do
        out[#out + 1] = id
        out[#out + 1] = call('GET', webhook_key(c, id)) or ''
        push_state(c, id, out)
    end
    return out
end, { 'no-writes' })

-- webhook_test <id> <actor> <txn>: a delivery that waits for nothing before it
-- → OK <entry> | NOTFOUND | STATE: is off | LIMIT: too many wait
register('webhook_test', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = webhook_key(c, args[4])
    if call('EXISTS', key) == 0 then
        return { 'NOTFOUND', 'webhook' }
    end
    local state = call('HMGET', key .. ':state', 'off', 'owner')
    if (state[1] or '') ~= '' then
        return { 'STATE' }
    end
    if call('ZCARD', key .. ':retries') >= RETRIES_MAX then
        return { 'LIMIT' }
    end
    local entry = notice(c, 'webhook.test', args[4], '', '', 'actor', args[5])
    call('ZADD', key .. ':retries', number_text(c.now), entry)
    call('HSET', key .. ':attempts', entry, '0 ' .. number_text(c.now))
    if (state[2] or '') == '' then
        queue_in(c, 'webhooks', args[4], c.now)
    end
    append_event(c, 'webhook.test', 'webhook', args[4], 0, args[5], args[6],
        '')
    return { 'OK', entry }
end, {})

-- webhook_replay <id> <after>: what came behind that entry is delivered
-- (again).  Answers OK <1: all of it is there, 0: older entries were trimmed>
register('webhook_replay', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, key = args[4], webhook_key(c, args[4])
    if call('EXISTS', key) == 0 then
        return { 'NOTFOUND', 'webhook' }
    end
    local whole = 1
    if call('EXISTS', c.prefix .. 'audit') == 1 then
        local info = {}
        local answer = call('XINFO', 'STREAM', c.prefix .. 'audit')
        for i = 1, #answer, 2 do
            info[answer[i]] = answer[i + 1]
        end
        local first = info['first-entry'] and info['first-entry'][1]
        if info['entries-added'] > info.length
            and (not first or id_before(args[5], first)) then
            whole = 0
        end
    end
    for _, entry in ipairs(call('ZRANGE', key .. ':retries', '0', '-1')) do
        if id_before(args[5], entry) then -- is read again anyway
            call('ZREM', key .. ':retries', entry)
            call('HDEL', key .. ':attempts', entry)
        end
    end
    call('HSET', key .. ':state', 'cursor', args[5], 'next',
        first_behind(c, args[5]))
    free_webhook(c, id)
    append_event(c, 'webhook.replay', 'webhook', id, 0, args[6], args[7], '')
    audit_operator(c, 'webhook.replay', 'webhook:' .. id, '', 'after '
        .. args[5], args[6], args[7])
    return { 'OK', whole }
end, {})

local DELIVERY_FIELDS = { 'entry', 'type', 'attempt', 'status', 'result',
    'reason' }

-- webhook_deliveries <id> <before> <limit>: the latest first
-- → OK { id, fields }... | NOTFOUND
register('webhook_deliveries', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = webhook_key(c, args[4])
    if call('EXISTS', key) == 0 then
        return { 'NOTFOUND', 'webhook' }
    end
    local out = { 'OK' }
    for _, entry in ipairs(call('XREVRANGE', key .. ':deliveries', args[5]
        == '' and '+' or '(' .. args[5], '-', 'COUNT', args[6])) do
        push_values(out, entry[1], entry_values(entry), DELIVERY_FIELDS)
    end
    return out
end, { 'no-writes' })

-- ---- delivering ----------------------------------------------------------------

-- webhook_due <owner> <lease ms> <limit> <how many of these may fail at the
-- moment>: subscriptions of the whole shard that have something to do, claimed.
-- Who fails leaves room for who does not.  Answers OK <subscriptions there are>
-- { <workspace> <id> <epoch> <fails 0|1> }...
register('webhook_due', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK', call('ZCARD', c.shard .. 'webhooks') }
    local room, failing_room = tonumber(args[6]), tonumber(args[7])
    for _, member in ipairs(call('ZRANGEBYSCORE', c.shard .. 'webhooks',
        '-inf', number_text(c.now), 'LIMIT', '0', SCANNED)) do
        local workspace, id = string.match(member, '^(%S+) (%S+)$')
        c.workspace, c.prefix = workspace, c.shard .. workspace .. ':'
        local key = webhook_key(c, id) .. ':state'
        local state = call('HMGET', key, 'off', 'failing')
        local fails = (state[2] or '') ~= '' and 1 or 0
        if call('EXISTS', webhook_key(c, id)) == 0
            or (state[1] or '') ~= '' then
            queue_in(c, 'webhooks', id, nil)
        elseif room > 0 and fails <= failing_room then
            room, failing_room = room - 1, failing_room - fails
            call('HSET', key, 'owner', args[4])
            queue_in(c, 'webhooks', id, c.now + tonumber(args[5]))
            for _, text in ipairs({ workspace, id, call('HINCRBY', key,
                'epoch', 1), fails }) do
                out[#out + 1] = text
            end
        end
    end
    return out
end, { 'allow-oom' })

local function holds_webhook(c, id, owner, epoch)
    local held = call('HMGET', webhook_key(c, id) .. ':state', 'owner',
        'epoch')
    return held[1] == owner and held[2] == epoch
end

-- How many new entries may be sent now, and when that can change (nil: by what
-- is accepted alone).  While no new one is accepted few of them are tried: one
-- that is refused again and again holds up no other, and a receiver that is
-- dead does not fill Redis.
local function room_for_new(c, key)
    local waiting = call('ZCARD', key .. ':retries')
    local state = call('HMGET', key .. ':state', 'failing', 'probeAt')
    if (state[1] or '') == '' then
        return math.max(0, RETRIES_MAX - waiting)
    end
    if waiting < RETRIES_FAILING then
        return RETRIES_MAX
    end
    local at = tonumber(state[2] or '') or 0
    return (at <= c.now and waiting < RETRIES_MAX) and 1 or 0, at
end

-- The next single one, later and later.
local function note_probe(c, key)
    local failing = tonumber(call('HGET', key .. ':state', 'failing') or '')
    if failing then
        call('HSET', key .. ':state', 'probeAt', number_text(c.now
            + math.min(PROBE_LAST, math.max(PROBE_FIRST, (c.now - failing)
                / 8))))
    end
end

-- Something was trimmed before it was delivered: it is said where people look.
local function note_gap(c, key, after)
    call('HSET', key .. ':state', 'gapAfter', after, 'gapAt',
        number_text(c.now))
    return 1
end

-- webhook_read <id> <owner> <epoch> <limit>: what is to be delivered
-- → OK <record> <something was lost 0|1> <n> { <attempts> entry }... of those
-- tried before, then { entry }... behind the cursor | STATE
register('webhook_read', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key, audit_key = webhook_key(c, args[4]), c.prefix .. 'audit'
    if not holds_webhook(c, args[4], args[5], args[6]) then
        return { 'STATE' }
    end
    local state = call('HMGET', key .. ':state', 'cursor', 'next')
    local lost, again = 0, 0
    if (state[2] or '') ~= ''
        and not call('XRANGE', audit_key, state[2], state[2])[1] then
        lost = note_gap(c, key, state[1])
        call('HSET', key .. ':state', 'next', first_behind(c, state[1]))
    end
    local out = { 'OK', call('GET', key), 0, 0 }
    for _, id in ipairs(call('ZRANGEBYSCORE', key .. ':retries', '-inf',
        number_text(c.now), 'LIMIT', '0', args[7])) do
        local entry = call('XRANGE', audit_key, id, id)[1]
        if entry then
            again = again + 1
            out[#out + 1] = string.match(call('HGET', key .. ':attempts', id)
                or '', '^%d+') or '0'
            push_values(out, entry[1], entry_values(entry), ENTRY_FIELDS)
        else
            lost = note_gap(c, key, id)
            call('ZREM', key .. ':retries', id)
            call('HDEL', key .. ':attempts', id)
        end
    end
    out[3], out[4] = lost, again
    local room = math.min(room_for_new(c, key), tonumber(args[7]))
    if room > 0 then
        note_probe(c, key)
        for _, entry in ipairs(call('XRANGE', audit_key, '(' .. state[1],
            '+', 'COUNT', room)) do
            push_values(out, entry[1], entry_values(entry), ENTRY_FIELDS)
        end
    end
    return out
end, { 'allow-oom' })

local function note_delivery(c, key, entry, kind, attempt, status, result,
    reason)
    call('XADD', key .. ':deliveries', 'MAXLEN', KEPT, '*', 'entry', entry,
        'type', kind, 'attempt', attempt, 'status', status, 'result', result,
        'reason', reason)
end

-- One that was not accepted waits for another try, for days but not for ever.
local function put_off(c, key, entry, attempt, again)
    local first = string.match(call('HGET', key .. ':attempts', entry) or '',
        '^%d+ (%d+)$') or number_text(c.now)
    if attempt == '1' and (call('HGET', key .. ':state', 'failing') or '')
        == '' then
        call('HSET', key .. ':state', 'failing', number_text(c.now))
    end
    if c.now - tonumber(first) > GIVE_UP then
        return false
    end
    call('ZADD', key .. ':retries', number_text(c.now + again), entry)
    call('HSET', key .. ':attempts', entry, attempt .. ' ' .. first)
    return true
end

local function forget_retry(key, entry)
    call('ZREM', key .. ':retries', entry)
    call('HDEL', key .. ':attempts', entry)
end

-- What became of one delivery: entry type attempt status done|retry|later
-- <again in ms> reason; later: it was not sent yet
local function settle_delivery(c, key, args, i)
    local entry, result = args[i], args[i + 4]
    if result == 'later' then
        call('ZADD', key .. ':retries', number_text(c.now), entry)
        call('HSETNX', key .. ':attempts', entry, '0 ' .. number_text(c.now))
        return
    end
    if result == 'done' then
        forget_retry(key, entry)
        call('HSET', key .. ':state', 'failing', '')
        call('HINCRBY', key .. ':state', 'delivered', '1')
    elseif not put_off(c, key, entry, args[i + 2], tonumber(args[i + 5])) then
        result = 'failed'
        forget_retry(key, entry)
        call('HINCRBY', key .. ':state', 'givenUp', '1')
    end
    note_delivery(c, key, entry, args[i + 1], args[i + 2], args[i + 3],
        result, args[i + 6])
end

-- When there is something to do again.
local function next_due(c, key)
    local state = call('HMGET', key .. ':state', 'next', 'paused')
    local due, first = c.now + IDLE, call('ZRANGE', key .. ':retries', 0, 0,
        'WITHSCORES')
    if first[2] then
        due = math.min(due, tonumber(first[2]))
    end
    if (state[1] or '') ~= '' then
        local room, at = room_for_new(c, key)
        due = room > 0 and c.now or math.min(due, at or due)
    end
    return math.max(due, tonumber(state[2] or '') or 0)
end

local function switch_off(c, id, key, reason)
    call('HSET', key .. ':state', 'off', reason)
    audit(c, 'sidecar', '', '', 'enabled', 'disabled', 'webhook ' .. id
        .. ': ' .. reason, 'webhook.disabled', id)
end

local function move_cursor(c, key, cursor)
    local next_one = call('HGET', key .. ':state', 'next') or ''
    call('HSET', key .. ':state', 'cursor', cursor)
    if next_one == '' or not id_before(cursor, next_one) then
        call('HSET', key .. ':state', 'next', first_behind(c, cursor))
    end
end

-- webhook_commit <id> <owner> <epoch> <lease ms, 0 = set free> <cursor or
-- empty> <pause ms> <off: a reason or empty> { entry type attempt status
-- done|retry|later <again in ms> reason }... → OK <due in ms> <off: why> | STATE
register('webhook_commit', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, key = args[4], webhook_key(c, args[4])
    if not holds_webhook(c, id, args[5], args[6]) then
        return { 'STATE' }
    end
    for i = 11, #args, 7 do
        settle_delivery(c, key, args, i)
    end
    if args[8] ~= '' then
        move_cursor(c, key, args[8])
    end
    if args[9] ~= '0' then
        call('HSET', key .. ':state', 'paused', number_text(c.now
            + tonumber(args[9])))
    end
    local off = args[10]
    local failing = tonumber(call('HGET', key .. ':state', 'failing') or '')
    if off == '' and failing and c.now - failing > GIVE_UP then
        off = 'nothing was accepted for 3 days'
    end
    if off ~= '' then
        call('HSET', key .. ':state', 'owner', '')
        queue_in(c, 'webhooks', id, nil)
        switch_off(c, id, key, off)
        return { 'OK', '', off }
    end
    if args[7] ~= '0' then
        queue_in(c, 'webhooks', id, c.now + tonumber(args[7]))
        return { 'OK', '', '' }
    end
    local due = next_due(c, key)
    call('HSET', key .. ':state', 'owner', '', 'paused', due > c.now
        and call('HGET', key .. ':state', 'paused') or '')
    queue_in(c, 'webhooks', id, due)
    return { 'OK', number_text(math.max(0, due - c.now)), '' }
end, { 'allow-oom' })

end
