-- Groups in groups: whoever is in an inner group is in the outer ones, too.
local NESTED_LEVELS = 16  -- groups in a chain, both ends included
local NESTED_GROUPS = 1000 -- looked at above and below when one is put in

-- The other side of a membership ('U<user>' or 'G<group>'): groups that may
-- hold the member, a hint that is verified when it is read.
local function hint_key(c, member)
    local kind = string.sub(member, 1, 1) == 'U' and 'user:' or 'group:'
    return c.prefix .. kind .. string.sub(member, 2) .. ':groups'
end

-- Groups that hold the member itself.
local function holders(c, member)
    local found = {}
    for _, group in ipairs(call('ZRANGE', hint_key(c, member), '0', '-1')) do
        if call('ZSCORE', c.prefix .. 'group:' .. group .. ':members',
            member) then
            found[#found + 1] = group
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
        .. ':members', '[G', '(H', 'LIMIT', '0', NESTED_GROUPS + 1)
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
    local found, seen, i = { group }, { [group] = true }, 1
    while found[i] do
        for _, inner in ipairs(inner_groups(c, found[i])) do
            if not seen[inner] then
                seen[inner] = true
                found[#found + 1] = inner
            end
        end
        if #found > NESTED_GROUPS then
            return nil
        end
        i = i + 1
    end
    table.sort(found)
    return found
end

-- How many levels `from` and what `step` leads to are; nil when they or the
-- groups are too many.  Notes in `seen` which groups those are.
local function levels_of(c, from, step, seen)
    local levels = 0
    while #from > 0 do
        local further, queued = {}, {}
        for _, group in ipairs(from) do
            if not seen[group] then
                seen[group] = true
                c.looked_at = (c.looked_at or 0) + 1
            end
            for _, other in ipairs(step(c, group)) do
                if not queued[other] then
                    queued[other] = true
                    further[#further + 1] = other
                end
            end
        end
        levels = levels + 1
        if levels > NESTED_LEVELS or c.looked_at > NESTED_GROUPS then
            return nil
        end
        from = further
    end
    return levels
end

-- May these groups be put into this one?  Reads only: nil when they may, else
-- the answer.  `waiting`: groups that hold it as soon as it is there.
local function nesting_refused(c, group, inner, waiting)
    if #inner + #waiting == 0 then
        return nil
    end
    local above = {}
    c.outer = c.outer or {}
    if #waiting > 0 then
        c.outer[group] = waiting
    end
    local up = levels_of(c, { group }, outer_groups, above)
    for _, id in ipairs(inner) do
        if above[id] then
            return { 'CYCLE', id }
        end
    end
    local down = up and levels_of(c, inner, inner_groups, {})
    if not down or up + down > NESTED_LEVELS then
        return { 'NESTING' }
    end
end
