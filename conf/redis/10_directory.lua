-- The directory: users, groups, memberships.

local HEADER = 47      -- bytes before the document, see scim_record.h
local LISTED_MAX = 1000 -- member ids that an event names

local function header(version, content, created, modified, grouped)
    return string.format('%010.0f%010.0f%013.0f%013.0f%s', version, content,
        created, modified, grouped)
end

local function version_of(record)
    return tonumber(string.sub(record, 1, 10))
end

-- A change that leaves the document alone: version and time, in place.
local function touch(c, key)
    local old = call('GETRANGE', key, 0, 9)
    if old == '' then
        return
    end
    call('SETRANGE', key, 0, string.format('%010.0f', tonumber(old) + 1))
    call('SETRANGE', key, 33, string.format('%013.0f', c.now))
end

-- ---- reading the arguments of commit ---------------------------------------

local function read_list(args, at)
    local n = tonumber(args[at])
    local list = {}
    for i = 1, n do
        list[i] = args[at + i]
    end
    return list, at + n + 1
end

local function read_commit(args)
    local r = {
        backlog = tonumber(args[4]), op = args[5], kind = args[6],
        id = args[7], if_version = args[8], if_content = args[9],
        actor = args[10], txn = args[11], data = args[12],
        document = args[13], name = args[14], indexes = {},
    }
    local at = 16
    for i = 1, tonumber(args[15]) do
        local index = { attribute = args[at], unique = args[at + 1] == '1' }
        index.old, at = read_list(args, at + 2)
        index.new, at = read_list(args, at)
        r.indexes[i] = index
    end
    r.mode = args[at]
    r.add, at = read_list(args, at + 1)
    r.remove, at = read_list(args, at)
    r.deleted = string.sub(r.op, -8) == '.deleted'
    return r
end

-- ---- indexes ------------------------------------------------------------------

local function index_key(c, kind, attribute)
    return c.prefix .. 'index:' .. kind .. ':' .. attribute
end

local function owner_of(c, r, index, value)
    local found = call('ZRANGEBYLEX', index_key(c, r.kind, index.attribute),
        '[' .. value .. '\0', '(' .. value .. '\1', 'LIMIT', 0, 1)
    return found[1] and string.sub(found[1], #value + 2)
end

local function taken(c, r)
    for _, index in ipairs(r.indexes) do
        if index.unique then
            for _, value in ipairs(index.new) do
                local owner = owner_of(c, r, index, value)
                if owner and owner ~= r.id then
                    return index.attribute
                end
            end
        end
    end
end

local function write_indexes(c, r)
    for _, index in ipairs(r.indexes) do
        local key = index_key(c, r.kind, index.attribute)
        local stays = {}
        if not r.deleted then
            for _, value in ipairs(index.new) do
                stays[value] = true
            end
        end
        for _, value in ipairs(index.old) do
            if not stays[value] then
                call('ZREM', key, value .. '\0' .. r.id)
            end
            stays[value] = nil
        end
        for value in pairs(stays) do
            call('ZADD', key, 0, value .. '\0' .. r.id)
        end
    end
end

-- ---- memberships ------------------------------------------------------------

-- 'U<id>', 'G<id>', or nil for somebody who is not here.
local function member_of(c, id)
    if call('EXISTS', c.prefix .. 'user:' .. id) == 1 then
        return 'U' .. id
    end
    if call('EXISTS', c.prefix .. 'group:' .. id) == 1 then
        return 'G' .. id
    end
end

local function plan_add(c, r, plan, id)
    local member = member_of(c, id)
    if not member then
        plan.park[#plan.park + 1] = id
    elseif not call('ZSCORE', plan.members, member) then
        plan.add[#plan.add + 1] = member
    end
end

local function plan_remove(c, plan, id)
    if call('ZSCORE', plan.members, 'U' .. id) then
        plan.remove[#plan.remove + 1] = 'U' .. id
    elseif call('ZSCORE', plan.members, 'G' .. id) then
        plan.remove[#plan.remove + 1] = 'G' .. id
    elseif call('ZSCORE', plan.parked, id) then
        plan.unpark[#plan.unpark + 1] = id
    end
end

-- Who is in now and not in the new list.
local function plan_rest(c, r, plan)
    local wanted = {}
    for _, id in ipairs(r.add) do
        wanted[id] = true
    end
    local from = '-'
    repeat
        local page = call('ZRANGEBYLEX', plan.members, from, '+', 'LIMIT', 0,
            CHUNK)
        for _, member in ipairs(page) do
            if not wanted[string.sub(member, 2)] then
                plan.remove[#plan.remove + 1] = member
            end
        end
        from = page[#page] and '(' .. page[#page]
    until #page < CHUNK
    for _, id in ipairs(call('ZRANGE', plan.parked, 0, -1)) do
        if not wanted[id] then
            plan.unpark[#plan.unpark + 1] = id
        end
    end
end

-- Reads only: what the request changes, as things are now.
local function plan_members(c, r)
    local key = c.prefix .. 'group:' .. r.id
    local plan = {
        members = key .. ':members', parked = key .. ':parked',
        add = {}, remove = {}, park = {}, unpark = {},
    }
    if r.deleted or r.mode == 'keep' then
        return plan
    end
    for _, id in ipairs(r.add) do
        plan_add(c, r, plan, id)
    end
    if r.mode == 'replace' then
        plan_rest(c, r, plan)
    else
        for _, id in ipairs(r.remove) do
            plan_remove(c, plan, id)
        end
    end
    return plan
end

-- The other side of a membership: a hint, verified when it is read.
local function hint_key(c, member)
    local kind = string.sub(member, 1, 1) == 'U' and 'user:' or 'group:'
    return c.prefix .. kind .. string.sub(member, 2) .. ':groups'
end

local function add_member(c, group, member)
    call('ZADD', hint_key(c, member), 0, group)
    if string.sub(member, 1, 1) == 'U' then
        call('SETRANGE', c.prefix .. 'user:' .. string.sub(member, 2),
            HEADER - 1, '1')
    end
end

local function scored(list)
    local pairs_list = {}
    for i, member in ipairs(list) do
        pairs_list[2 * i - 1] = 0
        pairs_list[2 * i] = member
    end
    return pairs_list
end

local function write_members(c, r, plan)
    call_in_chunks('ZADD', plan.members, scored(plan.add))
    call_in_chunks('ZREM', plan.members, plan.remove)
    for _, member in ipairs(plan.add) do
        add_member(c, r.id, member)
    end
    for _, member in ipairs(plan.remove) do
        call('ZREM', hint_key(c, member), r.id)
    end
    for _, id in ipairs(plan.park) do
        call('ZADD', plan.parked, 0, id)
        call('ZADD', c.prefix .. 'parked:' .. id, 0, r.id)
    end
    for _, id in ipairs(plan.unpark) do
        call('ZREM', plan.parked, id)
        call('ZREM', c.prefix .. 'parked:' .. id, r.id)
    end
end

local function ids_text(members)
    local ids = {}
    for i, member in ipairs(members) do
        ids[i] = '"' .. string.sub(member, 2) .. '"'
    end
    return '[' .. table.concat(ids, ',') .. ']'
end

local function with_members(data, plan)
    if #plan.add + #plan.remove == 0 then
        return data
    end
    local text = '"members":{"all":true}'
    if #plan.add + #plan.remove <= LISTED_MAX then
        text = '"members":{"add":' .. ids_text(plan.add) .. ',"remove":'
            .. ids_text(plan.remove) .. '}'
    end
    if data == '' or data == '{}' then
        return '{' .. text .. '}'
    end
    return string.sub(data, 1, -2) .. ',' .. text .. '}'
end

-- Somebody arrives whom groups were waiting for.  Answers their number.
local function unpark(c, r)
    local waiting = c.prefix .. 'parked:' .. r.id
    local groups = call('ZRANGE', waiting, 0, -1)
    local member = (r.kind == 'user' and 'U' or 'G') .. r.id
    for _, group in ipairs(groups) do
        local key = c.prefix .. 'group:' .. group
        if call('ZREM', key .. ':parked', r.id) == 1 then
            call('ZADD', key .. ':members', 0, member)
            add_member(c, group, member)
            touch(c, key)
            append_event(c, 'group.members', 'group', group,
                number_text(tonumber(call('GETRANGE', key, 0, 9))), r.actor,
                r.txn,
                '{"members":{"add":["' .. r.id .. '"],"remove":[]}}')
        end
    end
    if #groups > 0 then
        call('DEL', waiting)
    end
end

-- ---- commit --------------------------------------------------------------

local function refused(c, r, record, may_grow)
    if r.if_content == '0' then
        if record then
            return { 'CONTENT' }
        end
    elseif not record then
        return { 'NOTFOUND' }
    end
    if record then
        if r.if_version ~= ''
            and tonumber(r.if_version) ~= version_of(record) then
            return { 'VERSION' }
        end
        if r.if_content ~= '' and tonumber(r.if_content)
            ~= tonumber(string.sub(record, 11, 20)) then
            return { 'CONTENT' }
        end
    end
    if may_grow and r.backlog > 0 and c.waiting >= r.backlog then
        return { 'BACKLOG' }
    end
    local attribute = not r.deleted and taken(c, r)
    if attribute then
        return { 'UNIQUE', attribute }
    end
end

local function leave_groups(c, r, member)
    local hints = c.prefix .. r.kind .. ':' .. r.id .. ':groups'
    for _, group in ipairs(call('ZRANGE', hints, 0, -1)) do
        local key = c.prefix .. 'group:' .. group
        if call('ZREM', key .. ':members', member) == 1 then
            touch(c, key)
        end
    end
    call('DEL', hints)
end

local function delete(c, r, record, key)
    local version = version_of(record) + 1
    leave_groups(c, r, (r.kind == 'user' and 'U' or 'G') .. r.id)
    write_indexes(c, r)
    call('ZREM', c.prefix .. r.kind .. 's', r.id)
    call('UNLINK', key, key .. ':members', key .. ':parked')
    if r.kind == 'group' then
        call('HDEL', c.prefix .. 'group-names', r.id)
    end
    append_event(c, r.op, r.kind, r.id, version, r.actor, r.txn, r.data)
    return { 'OK', number_text(version), '0', number_text(c.now), '1' }
end

local function create(c, r, key)
    call('SET', key, header(1, 1, c.now, c.now, '0') .. r.document)
    call('ZADD', c.prefix .. r.kind .. 's', 0, r.id)
    return 1, c.now, c.now
end

local function update(c, r, record, key)
    local version = version_of(record) + 1
    local created = tonumber(string.sub(record, 21, 33))
    if r.document ~= '' then
        call('SET', key, header(version, tonumber(string.sub(record, 11, 20))
            + 1, created, c.now, string.sub(record, 47, 47)) .. r.document)
    else
        call('SETRANGE', key, 0, string.format('%010.0f', version))
        call('SETRANGE', key, 33, string.format('%013.0f', c.now))
    end
    return version, created, c.now
end

local function unchanged(record)
    return { 'OK', number_text(version_of(record)),
        number_text(tonumber(string.sub(record, 21, 33))),
        number_text(tonumber(string.sub(record, 34, 46))), '0' }
end

local function write(c, r, record, key)
    local plan = plan_members(c, r)
    local moved = #plan.add + #plan.remove > 0
    if record and r.document == '' and not moved then
        write_members(c, r, plan) -- parks and unparks: nothing to be seen
        return unchanged(record)
    end
    local version, created, modified
    if record then
        version, created, modified = update(c, r, record, key)
    else
        version, created, modified = create(c, r, key)
    end
    write_indexes(c, r)
    if r.name ~= '' then
        call('HSET', c.prefix .. 'group-names', r.id, r.name)
    end
    write_members(c, r, plan)
    local op = r.op
    if record and r.document == '' then
        op = 'group.members'
    end
    append_event(c, op, r.kind, r.id, version, r.actor, r.txn,
        with_members(r.data, plan))
    if not record then
        unpark(c, r)
    end
    return { 'OK', number_text(version), number_text(created),
        number_text(modified), '1' }
end

local function commit(keys, args, may_grow)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local r = read_commit(args)
    local key = c.prefix .. r.kind .. ':' .. r.id
    local record = call('GET', key)
    failed = refused(c, r, record, may_grow)
    if failed then
        return failed
    end
    if r.deleted then
        return delete(c, r, record, key)
    end
    return write(c, r, record, key)
end

register('commit', function(keys, args)
    return commit(keys, args, true)
end, {})

-- Removals must work when memory is full and when events pile up.
register('commit_oom', function(keys, args)
    return commit(keys, args, false)
end, { 'allow-oom' })

-- ---- reading ---------------------------------------------------------------

local function push_groups(c, id, out)
    local count_at = #out + 1
    out[count_at], out[count_at + 1] = 0, 0
    for _, group in ipairs(call('ZRANGE', c.prefix .. 'user:' .. id
        .. ':groups', 0, -1)) do
        if call('ZSCORE', c.prefix .. 'group:' .. group .. ':members',
            'U' .. id) then
            out[#out + 1] = group
            out[#out + 1] = call('HGET', c.prefix .. 'group-names', group)
                or '""'
        end
    end
    out[count_at + 1] = #out - count_at - 1
    out[count_at] = out[count_at + 1] / 2
end

local function push_members(c, id, out)
    local key = c.prefix .. 'group:' .. id .. ':members'
    local page = call('ZRANGE', key, 0, CHUNK - 1)
    out[#out + 1] = #page < CHUNK and #page or call('ZCARD', key)
    out[#out + 1] = #page
    for _, member in ipairs(page) do
        out[#out + 1] = member
    end
end

-- <id> <record> <extra total> <n> string...
local function push_entry(c, kind, id, record, extra, out)
    out[#out + 1] = id
    out[#out + 1] = record
    if extra ~= '1' or (kind == 'user' and string.sub(record, 47, 47) ~= '1')
    then
        out[#out + 1] = 0
        out[#out + 1] = 0
    elseif kind == 'user' then
        push_groups(c, id, out)
    else
        push_members(c, id, out)
    end
end

local function push_entries(c, kind, ids, extra, out)
    local n = 0
    for i = 1, #ids, CHUNK do
        local names = {}
        for j = i, math.min(i + CHUNK - 1, #ids) do
            names[#names + 1] = c.prefix .. kind .. ':' .. ids[j]
        end
        local records = call('MGET', unpack(names))
        for j, record in ipairs(records) do
            if record then
                n = n + 1
                push_entry(c, kind, ids[i + j - 1], record, extra, out)
            end
        end
    end
    out[3] = n
    return out
end

register('get', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local record = call('GET', c.prefix .. args[4] .. ':' .. args[5])
    if not record then
        return { 'NOTFOUND' }
    end
    local out = { 'OK' }
    push_entry(c, args[4], args[5], record, args[6], out)
    return out
end, { 'no-writes' })

register('list', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local key = c.prefix .. args[4] .. 's'
    local offset, count = tonumber(args[5]), tonumber(args[6])
    local ids = {}
    if count > 0 then
        ids = call('ZRANGE', key, offset, offset + count - 1)
    end
    return push_entries(c, args[4], ids, args[7], { 'OK', call('ZCARD', key),
        0 })
end, { 'no-writes' })

register('find', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local kind, attribute, value = args[4], args[5], args[6]
    local offset, count = tonumber(args[7]), tonumber(args[8])
    local ids, total = {}, 0
    if attribute == 'id' then
        total = call('EXISTS', c.prefix .. kind .. ':' .. value)
        if total == 1 and offset == 0 and count > 0 then
            ids[1] = value
        end
    else
        local key = index_key(c, kind, attribute)
        local from, to = '[' .. value .. '\0', '(' .. value .. '\1'
        if count > 0 then
            ids = call('ZRANGEBYLEX', key, from, to, 'LIMIT', offset, count)
        end
        total = #ids
        if offset > 0 or #ids == count then
            total = call('ZLEXCOUNT', key, from, to)
        end
        for i, entry in ipairs(ids) do
            ids[i] = string.sub(entry, #value + 2)
        end
    end
    return push_entries(c, kind, ids, args[9], { 'OK', total, 0 })
end, { 'no-writes' })

register('members', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    return { 'OK', unpack(call('ZRANGEBYLEX', c.prefix .. 'group:' .. args[4]
        .. ':members', '(' .. args[5], '+', 'LIMIT', 0,
        math.min(tonumber(args[6]), CHUNK))) }
end, { 'no-writes' })
