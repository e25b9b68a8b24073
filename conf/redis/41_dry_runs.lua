-- Dry runs: asked for at the edge, made by a sidecar, kept for a day, the latest
-- of an app.

do -- a scope of its own: a chunk holds 200 local names at most

local KEPT = 86400 -- seconds
local LATEST = 20 -- of an app
local TRIES = 5 -- of sidecars that die over it
local OPEN_MAX = 20 -- of a shard that are not done
local ROWS_MAX = 100000 -- that are kept; the counts are always whole
local SHOWN = { 'state', 'reason', 'created', 'finished', 'hash', 'people',
    'counts', 'guard', 'actor' }

local function dry_run_key(c, id)
    return c.prefix .. 'dryrun:' .. id
end

-- Ids begin with the time: the first ones go.
local function list_dry_run(c, app, id)
    local key = app_key(c, app) .. ':dryruns'
    call('ZADD', key, '0', id)
    call('EXPIRE', key, KEPT)
    for _, old in ipairs(call('ZRANGE', key, '0', -LATEST - 1)) do
        call('UNLINK', dry_run_key(c, old), dry_run_key(c, old) .. ':rows')
        call('ZREM', key, old)
    end
end

-- dry_run_start <app> <id> <change as JSON> <subject that must be there, or
-- empty> <actor> <txn> → OK | NOTFOUND app|subject | LIMIT
register('dry_run_start', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local app, id, key = args[4], args[5], dry_run_key(c, args[5])
    if not exists(app_key(c, app)) then
        return { 'NOTFOUND', 'app' }
    end
    if args[7] ~= '' and not subject_exists(c, args[7]) then
        return { 'NOTFOUND', 'subject' }
    end
    if call('ZCARD', c.shard .. 'dryruns') >= OPEN_MAX then
        return { 'LIMIT' }
    end
    call('HSET', key, 'app', app, 'state', 'running', 'created',
        number_text(c.now), 'actor', args[8], 'change', args[6], 'attempts',
        0)
    call('EXPIRE', key, KEPT)
    list_dry_run(c, app, id)
    queue_in(c, 'dryruns', id, c.now)
    append_event(c, 'dry_run.requested', 'dry_run', id, 0, args[8], args[9],
        '')
    return { 'OK' }
end, {})

local function end_dry_run(c, id, state, reason)
    call('HSET', dry_run_key(c, id), 'state', state, 'reason', reason,
        'finished', number_text(c.now), 'owner', '')
    queue_in(c, 'dryruns', id, nil)
end

local function claim(c, id, owner, lease)
    local key = dry_run_key(c, id)
    local run = call('HMGET', key, 'state', 'attempts')
    if run[1] ~= 'running' then
        queue_in(c, 'dryruns', id, nil)
        return false
    end
    if tonumber(run[2]) >= TRIES then
        end_dry_run(c, id, 'failed', 'given up after several attempts')
        return false
    end
    call('HINCRBY', key, 'attempts', '1')
    call('HSET', key, 'owner', owner)
    queue_in(c, 'dryruns', id, c.now + lease)
    return true
end

-- dry_run_due <owner> <lease ms> <limit> → OK { <workspace> <id> <attempt>
-- <app> <change> }..., claimed
register('dry_run_due', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK' }
    for _, member in ipairs(call('ZRANGEBYSCORE', c.shard .. 'dryruns',
        '-inf', number_text(c.now), 'LIMIT', '0', tonumber(args[6]))) do
        local workspace, id = string.match(member, '^(%S+) (%S+)$')
        local w = within(c, workspace)
        if claim(w, id, args[4], tonumber(args[5])) then
            local run = call('HMGET', dry_run_key(w, id), 'attempts', 'app',
                'change')
            for _, text in ipairs({ workspace, id, run[1], run[2],
                run[3] }) do
                out[#out + 1] = text
            end
        end
    end
    return out
end, { 'allow-oom' })

-- Is it still the caller's?
local function holds(c, id, owner, attempt)
    local held = call('HMGET', dry_run_key(c, id), 'state', 'owner',
        'attempts')
    return held[1] == 'running' and held[2] == owner and held[3] == attempt
end

-- dry_run_rows <id> <owner> <attempt> <lease ms> <first 0|1> <row as JSON>...
register('dry_run_rows', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local id, rows = args[4], dry_run_key(c, args[4]) .. ':rows'
    if not holds(c, id, args[5], args[6]) then
        return { 'STATE' }
    end
    if args[8] == '1' then -- an attempt before this one may have left some
        call('DEL', rows)
    end
    if #args > 8 and call('LLEN', rows) < ROWS_MAX then
        call('RPUSH', rows, unpack(args, 9))
        call('EXPIRE', rows, KEPT)
    end
    queue_in(c, 'dryruns', id, c.now + tonumber(args[7]))
    return { 'OK' }
end, {})

-- dry_run_finish <id> <owner> <attempt> <done|failed> <reason> <hash> <people>
-- <counts as JSON> <guard as JSON>
register('dry_run_finish', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = dry_run_key(c, args[4])
    if not holds(c, args[4], args[5], args[6]) then
        return { 'STATE' }
    end
    call('HSET', key, 'hash', args[9], 'people', args[10], 'counts',
        args[11], 'guard', args[12])
    end_dry_run(c, args[4], args[7], args[8])
    return { 'OK' }
end, { 'allow-oom' })

-- dry_run_show <app> <id> <rows to pass over> <limit> → OK <shown fields>
-- <rows there are> <row>... | NOTFOUND
register('dry_run_show', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = dry_run_key(c, args[5])
    if call('HGET', key, 'app') ~= args[4] then
        return { 'NOTFOUND', 'plan' }
    end
    local out, from = { 'OK' }, tonumber(args[6]) or 0
    for _, value in ipairs(call('HMGET', key, unpack(SHOWN))) do
        out[#out + 1] = value or ''
    end
    out[#out + 1] = call('LLEN', key .. ':rows')
    for _, row in ipairs(out[2] == 'done' and call('LRANGE', key .. ':rows',
        from, from + tonumber(args[7]) - 1) or {}) do
        out[#out + 1] = row
    end
    return out
end, { 'no-writes' })

end
