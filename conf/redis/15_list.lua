-- Lists: pages by rank or behind a member, ids of a range, resources by id.
--
-- A range is <source> <name> <from> <to>: a sorted set of score 0 and two
-- bounds as ZRANGEBYLEX has them.  Sources: `all` of the type, `index` of the
-- attribute <name>, `members` of the group <name>, and `groups`, those that
-- have <name> as a member.  Whatever the set, its members end in an id.

local ID = 36

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
        return call(range, key, first, last, 'LIMIT', 0, count)
    end
    local start = call(range, key, first, last, 'LIMIT', 0, 1)[1]
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
    local groups = {}
    for kind, letter in pairs({ user = 'U', group = 'G' }) do
        for _, group in ipairs(call('ZRANGE', c.prefix .. kind .. ':' .. id
            .. ':groups', 0, -1)) do
            if call('ZSCORE', c.prefix .. 'group:' .. group .. ':members',
                letter .. id) then
                groups[#groups + 1] = group
            end
        end
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
    return push_entries(c, kind, ids_of(members, source), args[13],
        { 'OK', total, 0, more, members[#members] or '' })
end, { 'no-writes' })

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
    local key = range_key(c, args[4], args[5], args[6])
    local members = call('ZRANGEBYLEX', key,
        after == '' and from or '(' .. after, to, 'LIMIT', 0, args[10])
    return { 'OK', range_size(key, from, to), members[#members] or '',
        table.concat(ids_of(members, args[5])) }
end, { 'no-writes' })

-- list_sizes <type> { <source> <name> <from> <to> }... -> OK <size>...
register('list_sizes', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local out = { 'OK' }
    for i = 5, #args, 4 do
        if args[i] == 'groups' then
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
    return push_entries(c, args[4], ids, args[5], { 'OK', #ids, 0 })
end, { 'no-writes' })
