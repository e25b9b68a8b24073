-- Lists: pages by rank or behind a member, ids of a range, resources by id.
--
-- A range is <source> <name> <from> <to>: a sorted set of score 0 and two
-- bounds as ZRANGEBYLEX has them.  Sources: `all` of the type, `index` of the
-- attribute <name>, `members` of the group <name>, and `groups`, those that
-- have <name> as a member.  Whatever the set, its members end in an id.

do -- a scope of its own: a chunk holds 200 local names at most

local ID = 36
local UNREADABLE = 1000000000 -- more than any range has

local function id_of(member)
    return string.sub(member, -ID)
end

local function range_key(c, kind, source, name)
    if source == 'index' then
        return index_key(c, kind, name)
    end
    if source == 'members' then
        return c.prefix .. 'group:' .. name .. ':members'
    end
    return c.prefix .. kind .. 's'
end

local function holds_groups(c, kind, source, name)
    return kind == 'user' and source == 'members'
        and inner_groups(c, name)[1] ~= nil
end

local function range_size(key, from, to)
    if from == '-' and to == '+' then
        return call('ZCARD', key)
    end
    return call('ZLEXCOUNT', key, from, to)
end

-- Up to `count` members from rank `offset` of the range on: O(log n + count)
-- however deep, as the range's own first member says where it begins.
local function slice(key, from, to, offset, count, reverse)
    local range, rank = 'ZRANGEBYLEX', 'ZRANK'
    local first, last = from, to
    if reverse then
        range, rank = 'ZREVRANGEBYLEX', 'ZREVRANK'
        first, last = to, from
    end
    if count <= 0 then
        return {}
    end
    if offset == 0 then
        return call(range, key, first, last, 'LIMIT', '0', count)
    end
    local start = call(range, key, first, last, 'LIMIT', '0', 1)[1]
    local left = range_size(key, from, to) - offset
    if not start or left <= 0 then
        return {}
    end
    start = call(rank, key, start) + offset
    count = math.min(count, left)
    if reverse then
        return call('ZRANGE', key, start, start + count - 1, 'REV')
    end
    return call('ZRANGE', key, start, start + count - 1)
end

local function ids_of(members, source)
    if source == 'all' then
        return members
    end
    local ids = {}
    for i, member in ipairs(members) do
        ids[i] = id_of(member)
    end
    return ids
end

-- Groups that have this user or group as a member: hints, verified.
local function groups_with(c, id)
    local groups = holders(c, 'U' .. id)
    for _, group in ipairs(holders(c, 'G' .. id)) do
        groups[#groups + 1] = group
    end
    return groups
end

-- A look-up that finds somebody asks for nothing else: only when nobody is
-- found it matters whether this is the data set that the caller means.
local function begin_reading(keys, args)
    call = redis.call
    return { prefix = string.sub(keys[1], 1, -7) .. args[1] .. ':' }
end

-- list_page <type> <source> <name> <from> <to> <after> <offset> <count>
-- <reverse> <extra> -> OK <total> <entries> <more 0|1> <last member> entry...
register('list_page', function(keys, args)
    local c = begin_reading(keys, args)
    local kind, source, from, to = args[4], args[5], args[7], args[8]
    local after, offset, count = args[9], tonumber(args[10]),
        tonumber(args[11])
    local reverse = args[12] == '1'
    local key = range_key(c, kind, source, args[6])
    local first, last = from, to
    if holds_groups(c, kind, source, args[6]) then
        return { 'NESTED' }
    end
    if source == 'members' and #after == ID then
        after = 'U' .. after -- the walk began when it held groups
    end
    if after ~= '' then
        if reverse then
            last = '(' .. after
        else
            first = '(' .. after
        end
    end
    -- one more than is wanted tells whether there are more
    local members = slice(key, first, last, offset, count > 0 and count + 1
        or 0, reverse)
    if #members == 0 or source ~= 'index' then
        local known, failed = begin(keys, args)
        if not known then
            return failed
        end
    end
    local whole = after == '' and offset == 0 and count > 0
        and #members <= count
    local total = whole and #members or range_size(key, from, to)
    local more = #members > count and 1 or 0
    members[count + 1] = nil
    local out = { 'OK', total, 0, more, members[#members] or '' }
    out[3] = push_entries(c, kind, ids_of(members, source), args[13], out)
    return out
end, { 'no-writes' })

-- find <type> <attribute> <value> <limit> <extra> -> OK <entries> entry...
-- What identity providers ask most: who has this value.  `limit` or more: MANY.
register('find', function(keys, args)
    local c = begin_reading(keys, args)
    local kind, value = args[4], args[6]
    local members = call('ZRANGEBYLEX', index_key(c, kind, args[5]),
        '[' .. value .. '\0', '(' .. value .. '\1', 'LIMIT', '0', args[7])
    if #members == 1 then
        local id = id_of(members[1])
        local record = call('GET', c.prefix .. kind .. ':' .. id)
        if record and not has_extra(kind, record, args[8]) then
            return { 'OK', 1, id, record, 0, 0 } -- a table that never grows
        end
    elseif #members == 0 then
        local known, failed = begin(keys, args)
        return known and { 'OK', 0 } or failed
    elseif #members == tonumber(args[7]) then
        return { 'MANY' }
    end
    local out = { 'OK', 0 }
    out[2] = push_entries(c, kind, ids_of(members, 'index'), args[8], out)
    return out
end, { 'no-writes' })

-- Up to `limit` users of the group and those in it, behind `after`: a group
-- and the last member of its own, one behind the other.  Nil: too many groups.
local function nested_members(c, group, from, to, after, limit)
    local behind, found, last = string.sub(after, 1, ID), {}, ''
    local groups = groups_below(c, group)
    if not groups then
        return nil
    end
    for _, inner in ipairs(groups) do
        if inner >= behind and #found < limit then
            local first = inner == behind and '(' .. string.sub(after, ID + 1)
                or from
            for _, member in ipairs(call('ZRANGEBYLEX', c.prefix .. 'group:'
                .. inner .. ':members', first, to, 'LIMIT', '0',
                limit - #found)) do
                found[#found + 1] = member
                last = inner .. member
            end
        end
    end
    return found, last
end

-- list_ids <type> <source> <name> <from> <to> <after> <limit>
-- -> OK <size> <last member> <ids, one behind the other>
register('list_ids', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    if args[5] == 'groups' then
        local groups = groups_with(c, args[6])
        return { 'OK', #groups, '', table.concat(groups) }
    end
    local from, to, after = args[7], args[8], args[9]
    if args[5] == 'nested' then
        local members, last = nested_members(c, args[6], from, to, after,
            tonumber(args[10]))
        if not members then
            return { 'TOOMANY' }
        end
        return { 'OK', #members, last, table.concat(ids_of(members,
            args[5])) }
    end
    if holds_groups(c, args[4], args[5], args[6]) then
        return { 'NESTED' }
    end
    local key = range_key(c, args[4], args[5], args[6])
    local members = call('ZRANGEBYLEX', key,
        after == '' and from or '(' .. after, to, 'LIMIT', '0', args[10])
    return { 'OK', range_size(key, from, to), members[#members] or '',
        table.concat(ids_of(members, args[5])) }
end, { 'no-writes' })

-- At most so many are in the group and those in it; where that is too much to
-- look at, any other range is the better one.
local function nested_size(c, group, from, to)
    local size, groups = 0, groups_below(c, group)
    if not groups then
        return UNREADABLE
    end
    for _, inner in ipairs(groups) do
        size = size + range_size(c.prefix .. 'group:' .. inner .. ':members',
            from, to)
    end
    return size
end

-- list_sizes <type> { <source> <name> <from> <to> }... -> OK <size>...
register('list_sizes', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK' }
    for i = 5, #args, 4 do
        if holds_groups(c, args[4], args[i], args[i + 1]) then
            out[#out + 1] = nested_size(c, args[i + 1], args[i + 2],
                args[i + 3])
        elseif args[i] == 'groups' then
            out[#out + 1] = call('ZCARD', c.prefix .. 'user:' .. args[i + 1]
                .. ':groups') + call('ZCARD', c.prefix .. 'group:'
                .. args[i + 1] .. ':groups')
        else
            out[#out + 1] = range_size(range_key(c, args[4], args[i],
                args[i + 1]), args[i + 2], args[i + 3])
        end
    end
    return out
end, { 'no-writes' })

-- list_read <type> <extra> <id>... -> OK <ids> <entries> entry...
register('list_read', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local ids = {}
    for i = 6, #args do
        ids[i - 5] = args[i]
    end
    local out = { 'OK', #ids, 0 }
    out[3] = push_entries(c, args[4], ids, args[5], out)
    return out
end, { 'no-writes' })

end
