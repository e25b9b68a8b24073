-- Done tasks are looked at for a while, then they go: the ids as well.

do -- a scope of its own: a chunk holds 200 local names at most

local DONE_TRIMMED = 1000 -- that one call forgets, of each workspace
local ALL_TRIMMED = 2000 -- of all workspaces
local DAY = 86400

local function forget_done(c, id)
    call('DEL', task_key(c, id))
    call('ZREM', c.prefix .. 'tasks:done', id)
    return 1
end

-- More than are kept: those that were made first.
local function trim_count(c, keep, most)
    local key, gone = c.prefix .. 'tasks:done', 0
    local over = math.min(call('ZCARD', key) - keep, most)
    for _, id in ipairs(over > 0 and call('ZRANGE', key, 0, over - 1)
        or {}) do
        gone = gone + forget_done(c, id)
    end
    return gone
end

-- Done for longer than `days`: their records expire TASK_KEPT after the end.
-- An id begins with the ms at which the task was made.
local function trim_age(c, days, most)
    local made = string.format('%012x', c.now - days * DAY * 1000)
    local before = '(' .. string.sub(made, 1, 8) .. '-'
        .. string.sub(made, 9)
    local gone = 0
    for _, id in ipairs(call('ZRANGEBYLEX', c.prefix .. 'tasks:done', '-',
        before, 'LIMIT', '0', most)) do
        local left = call('TTL', task_key(c, id))
        if left == -2 or (left >= 0 and left <= TASK_KEPT - days * DAY) then
            gone = gone + forget_done(c, id)
        end
    end
    return gone
end

local function trim_done(c, keep, days, most)
    local gone = trim_count(c, keep, most)
    return gone + trim_age(c, days, most - gone)
end

-- tasks_trim <done tasks to keep> <days>: for all workspaces of the shard,
-- what is beyond either; a bit at a time, each time another one is first.
-- Answers OK <how many>
register('tasks_trim', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local gone, keep, days = 0, tonumber(args[4]), tonumber(args[5])
    local workspaces = call('ZRANGE', c.shard .. 'workspaces', '0', '-1')
    local first = math.floor(c.now / 1000)
    for i = 1, #workspaces do
        local w = within(c, workspaces[(first + i) % #workspaces + 1])
        gone = gone + trim_done(w, keep, days, math.min(DONE_TRIMMED,
            ALL_TRIMMED - gone))
        if gone >= ALL_TRIMMED then
            break
        end
    end
    return { 'OK', gone }
end, { 'allow-oom' })

end
