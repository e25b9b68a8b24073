-- Groups in groups: whoever is in an inner group is in the outer ones, too.
-- All of it is walked inside of one call, so what would make the walk of a
-- commit, of a list, or of a user's groups long is refused when it is put in.
local NESTED_LEVELS = 16   -- groups in a chain, both ends included
local NESTED_GROUPS = 1000 -- above and below the one that changes, and above
                           -- each of those below
local NESTED_LINKS = 3000  -- groups' memberships in groups that are read there
local NESTED_STEPS = 20000 -- of the walk over what was read, above those below
local NESTED_MORE = '1001' -- groups: tells that there are too many

-- The other side of a membership ('U<user>' or 'G<group>'): groups that may
-- hold the member, a hint that is verified when it is read.
local function hint_key(c, member)
    local kind = string.sub(member, 1, 1) == 'U' and 'user:' or 'group:'
    return c.prefix .. kind .. string.sub(member, 2) .. ':groups'
end

-- Groups that hold the member itself; `most` nil = all.
local function holders(c, member, most)
    local found = {}
    for _, group in ipairs(call('ZRANGE', hint_key(c, member), '0', '-1')) do
        if call('ZSCORE', c.prefix .. 'group:' .. group .. ':members',
            member) then
            found[#found + 1] = group
        end
        if most and #found >= most then
            break
        end
    end
    return found
end

-- The same of a group, read once in a call.
local function outer_groups(c, group)
    c.outer = c.outer or {}
    if not c.outer[group] then
        c.outer[group] = holders(c, 'G' .. group)
    end
    return c.outer[group]
end

local function inner_groups(c, group)
    local found = call('ZRANGEBYLEX', c.prefix .. 'group:' .. group
        .. ':members', '[G', '(H', 'LIMIT', '0', NESTED_MORE)
    for i, member in ipairs(found) do
        found[i] = string.sub(member, 2)
    end
    return found
end

-- All groups that the member is in, each once, and how many of them (the first
-- ones) hold it directly.
local function groups_of(c, member)
    local found, seen = holders(c, member), {}
    local direct, i = #found, 1
    for _, group in ipairs(found) do
        seen[group] = true
    end
    while found[i] do
        for _, group in ipairs(outer_groups(c, found[i])) do
            if not seen[group] then
                seen[group] = true
                found[#found + 1] = group
            end
        end
        i = i + 1
    end
    return found, direct
end

-- The group and all that are in it, at whatever depth, in the order of ids;
-- nil when they are more than one structure may have.
local function groups_below(c, group)
    local found, seen, i, links = { group }, { [group] = true }, 1, 0
    while found[i] do
        local inner = inner_groups(c, found[i])
        links = links + #inner
        for _, one in ipairs(inner) do
            if not seen[one] then
                seen[one] = true
                found[#found + 1] = one
            end
        end
        if #found > NESTED_GROUPS or links > NESTED_LINKS then
            return nil
        end
        i = i + 1
    end
    table.sort(found)
    return found
end

-- ---- what may be put in ------------------------------------------------------

-- Groups one level above; nil when that is more than a check may read.
local function check_outer(check, group)
    local known = check.c.outer
    if not known[group] then
        known[group] = holders(check.c, 'G' .. group, NESTED_GROUPS)
        check.links = check.links + #known[group]
    end
    return check.links <= NESTED_LINKS and known[group] or nil
end

-- The same by hints that nobody verified: one command, maybe too many.
local function check_hints(check, group)
    local found = check.c.outer[group] or call('ZRANGE', hint_key(check.c,
        'G' .. group), '0', NESTED_MORE)
    check.links = check.links + #found
    return check.links <= NESTED_LINKS and found or nil
end

-- One level below.
local function check_inner(check, group)
    local found = check.inner[group]
    if not found then
        found = inner_groups(check.c, group)
        check.inner[group] = found
        check.links = check.links + #found
    end
    return check.links <= NESTED_LINKS and found or nil
end

-- How many levels there are from the group on, itself included; nil when that
-- are more than `left`, or too much to look at.  `levels`: what is known, so
-- that each group is looked at once, by however many ways it is reached.
local function levels_from(check, group, step, levels, left)
    local known, most = levels[group], 0
    if known then
        return known <= left and known or nil
    end
    local others = left > 0 and step(check, group)
    check.groups = check.groups + 1
    if not others or check.groups > NESTED_GROUPS then
        return nil
    end
    for _, other in ipairs(others) do
        local more = levels_from(check, other, step, levels, left - 1)
        if not more then
            return nil
        end
        most = math.max(most, more)
    end
    levels[group] = most + 1
    return most + 1
end

-- How many groups these are in or will be once what holds them is in those
-- `above`, themselves included; nil when it is too much to look at.  Beyond the
-- limit nobody counts.
local function ways_up(check, groups, step, above)
    local found, seen, i = { unpack(groups) }, {}, 1
    for _, group in ipairs(groups) do
        seen[group] = true
    end
    while found[i] and #found + check.above <= NESTED_GROUPS do
        local outer = step(check, found[i])
        for _, other in ipairs(outer or {}) do
            check.steps = check.steps + 1
            if not seen[other] and not above[other] then
                seen[other] = true
                found[#found + 1] = other
            end
        end
        if not outer or check.steps > NESTED_STEPS then
            return nil
        end
        i = i + 1
    end
    return #found + check.above
end

-- Would one of those below be in too many?  The lowest are in the most; when
-- all of them together are in few enough, so is each.
local function too_many_ways(check, below, above)
    local lowest = {}
    for group in pairs(below) do
        if #check.inner[group] == 0 then
            lowest[#lowest + 1] = group
        end
    end
    local links = check.links
    local all = ways_up(check, lowest, check_hints, above)
    if all and all <= NESTED_GROUPS then
        return false
    end
    check.links, check.steps = links, 0
    for _, group in ipairs(lowest) do
        all = ways_up(check, { group }, check_outer, above)
        if not all or all > NESTED_GROUPS then
            return true
        end
    end
end

-- May these groups be put into this one?  Reads only: nil when they may, else
-- the answer.  `waiting`: groups that hold it as soon as it is there.
local function nesting_refused(c, group, inner, waiting)
    if #inner + #waiting == 0 then
        return nil
    end
    local check = { c = c, inner = {}, groups = 0, links = #waiting,
        steps = 0 }
    local above, below = {}, {}
    c.outer = c.outer or {}
    if #waiting > 0 then
        c.outer[group] = waiting
    end
    local up = levels_from(check, group, check_outer, above, NESTED_LEVELS)
    check.above = check.groups
    for _, id in ipairs(inner) do
        if above[id] then
            return { 'CYCLE', id }
        end
    end
    for _, id in ipairs(up and inner or {}) do
        if not levels_from(check, id, check_inner, below,
            NESTED_LEVELS - up) then
            return { 'NESTING' }
        end
    end
    if not up or too_many_ways(check, below, above) then
        return { 'NESTING' }
    end
end
