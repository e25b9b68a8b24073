-- Done tasks are looked at for a while, then they go: the ids as well.

do -- a scope of its own: a chunk holds 200 local names at most

local DONE_TRIMMED = 1000 -- that one call forgets, of each workspace
local DAY = 86400

local function forget_done(c, id)
    call('DEL', task_key(c, id))
    call('ZREM', c.prefix .. 'tasks:done', id)
    return 1
end

-- More than are kept: those that were made first.
local function trim_count(c, keep)
    local key, gone = c.prefix .. 'tasks:done', 0
    local over = math.min(call('ZCARD', key) - keep, DONE_TRIMMED)
    for _, id in ipairs(over > 0 and call('ZRANGE', key, 0, over - 1)
        or {}) do
        gone = gone + forget_done(c, id)
    end
    return gone
end

-- Done for longer than `days`: their records expire TASK_KEPT after the end.
-- An id begins with the ms at which the task was made.
local function trim_age(c, days)
    local made = string.format('%012x', c.now - days * DAY * 1000)
    local before = '(' .. string.sub(made, 1, 8) .. '-'
        .. string.sub(made, 9)
    local gone = 0
    for _, id in ipairs(call('ZRANGEBYLEX', c.prefix .. 'tasks:done', '-',
        before, 'LIMIT', '0', DONE_TRIMMED)) do
        local left = call('TTL', task_key(c, id))
        if left == -2 or (left >= 0 and left <= TASK_KEPT - days * DAY) then
            gone = gone + forget_done(c, id)
        end
    end
    return gone
end

-- tasks_trim <done tasks to keep> <days>: for all workspaces of the shard,
-- what is beyond either; a bit at a time.  Answers OK <how many>
register('tasks_trim', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local gone = 0
    for _, workspace in ipairs(call('ZRANGE', c.shard .. 'workspaces', '0',
        '-1')) do
        local w = within(c, workspace)
        gone = gone + trim_count(w, tonumber(args[4]))
            + trim_age(w, tonumber(args[5]))
    end
    return { 'OK', gone }
end, { 'allow-oom' })

end
