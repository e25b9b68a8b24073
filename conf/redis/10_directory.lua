-- The directory: users, groups, memberships.

local HEADER = 47      -- bytes before the document, see scim_record.h
local version_of, index_key, async_key, has_extra, push_entries -- below

do -- a scope of its own: a chunk holds 200 local names at most

local LISTED_MAX = 1000 -- member ids that an event names

local function header(version, content, created, modified, grouped)
    return string.format('%010.0f%010.0f%013.0f%013.0f%s', version, content,
        created, modified, grouped)
end

function version_of(head)
    return tonumber(string.sub(head, 1, 10))
end

local function content_of(head)
    return tonumber(string.sub(head, 11, 20))
end

local function created_of(head)
    return tonumber(string.sub(head, 21, 33))
end

-- A change that leaves the document alone: version and time, in place.  Answers
-- the new version, or nil when there is no such record.
local function touch(c, key, head)
    head = head or call('GETRANGE', key, 0, HEADER - 1)
    if #head < HEADER then
        return nil
    end
    local version = version_of(head) + 1
    call('SETRANGE', key, 0, string.format('%010.0f', version)
        .. string.sub(head, 11, 33) .. string.format('%013.0f', c.now))
    return version
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
    r.execution = args[at] or ''
    r.deleted = string.sub(r.op, -8) == '.deleted'
    return r
end

-- ---- indexes ------------------------------------------------------------------

function index_key(c, kind, attribute)
    return c.prefix .. 'index:' .. kind .. ':' .. attribute
end

local function owner_of(c, r, index, value)
    local found = call('ZRANGEBYLEX', index_key(c, r.kind, index.attribute),
        '[' .. value .. '\0', '(' .. value .. '\1', 'LIMIT', '0', 1)
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

-- True when an externalId that is new here is somebody else's, too.
local function write_indexes(c, r)
    local shared
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
            shared = shared or index.attribute == 'externalId'
                and owner_of(c, r, index, value)
            call('ZADD', key, '0', value .. '\0' .. r.id)
        end
    end
    return shared and true
end

-- ---- memberships ------------------------------------------------------------

-- Which of `list` the zset has: a list of scores and false.
local function scores(key, list)
    return call_in_chunks('ZMSCORE', key, list)
end

-- Who the ids are: 'U<id>', 'G<id>', or parked when nobody here is called so.
local function plan_add(c, r, plan)
    local members, strangers = {}, {}
    for _, id in ipairs(r.add) do
        local flag = call('GETRANGE', c.prefix .. 'user:' .. id, HEADER - 1,
            HEADER - 1)
        if flag ~= '' then
            members[#members + 1] = 'U' .. id
            plan.first[id] = flag == '0'
        elseif call('EXISTS', c.prefix .. 'group:' .. id) == 1 then
            members[#members + 1] = 'G' .. id
        else
            strangers[#strangers + 1] = id
        end
    end
    for i, score in ipairs(scores(plan.members, members)) do
        local list = score and plan.keep or plan.add
        list[#list + 1] = members[i]
    end
    for i, score in ipairs(scores(plan.parked, strangers)) do
        local list = score and plan.keep_parked or plan.park
        list[#list + 1] = strangers[i]
    end
end

-- Splits `ids`: what `key` has with this prefix goes to `found`.
local function split(key, prefix, ids, found)
    local names, rest = {}, {}
    for i, id in ipairs(ids) do
        names[i] = prefix .. id
    end
    for i, score in ipairs(scores(key, names)) do
        if score then
            found[#found + 1] = names[i]
        else
            rest[#rest + 1] = ids[i]
        end
    end
    return rest
end

local function plan_remove(r, plan)
    local rest = split(plan.members, 'U', r.remove, plan.remove)
    rest = split(plan.members, 'G', rest, plan.remove)
    split(plan.parked, '', rest, plan.unpark)
end

-- What `key` has beside `kept`; nil when that are more than LISTED_MAX.
local function others(key, kept)
    local stays, list = {}, {}
    if call('ZCARD', key) - #kept > LISTED_MAX then
        return nil
    end
    for _, member in ipairs(kept) do
        stays[member] = true
    end
    local from = '-'
    repeat
        local page = call('ZRANGEBYLEX', key, from, '+', 'LIMIT', '0', CHUNK)
        for _, member in ipairs(page) do
            if not stays[member] then
                list[#list + 1] = member
            end
        end
        from = page[#page] and '(' .. page[#page]
    until #page < CHUNK
    return list
end

-- Reads only: what the request changes, as things are now.  With `clear` the
-- members are written anew, since so many go that naming them takes too long.
local function plan_members(c, r)
    local key = c.prefix .. 'group:' .. r.id
    local plan = {
        members = key .. ':members', parked = key .. ':parked',
        add = {}, keep = {}, remove = {}, first = {},
        park = {}, keep_parked = {}, unpark = {},
    }
    if r.mode == 'keep' then
        return plan
    end
    plan_add(c, r, plan)
    if r.mode == 'replace' then
        plan.remove = others(plan.members, plan.keep)
        plan.unpark = others(plan.parked, plan.keep_parked)
        plan.clear = not plan.remove
        plan.clear_parked = not plan.unpark
    else
        plan_remove(r, plan)
    end
    return plan
end

-- The answer when the groups among the new members may not be: nil = they may.
local function nested_wrongly(c, r, plan, exists)
    local inner, waiting = {}, {}
    if r.kind == 'user' then
        return nil
    end
    for _, member in ipairs(plan.add) do
        if string.sub(member, 1, 1) == 'G' then
            inner[#inner + 1] = string.sub(member, 2)
        end
    end
    if not exists then
        for _, group in ipairs(call('ZRANGE', c.prefix .. 'parked:' .. r.id,
            0, -1)) do
            if call('ZSCORE', c.prefix .. 'group:' .. group .. ':parked',
                r.id) then
                waiting[#waiting + 1] = group
            end
        end
    end
    return nesting_refused(c, r.id, inner, waiting)
end

local function moves(plan)
    return plan.clear or #plan.add + #plan.remove > 0
end

local function add_hint(c, group, member, first)
    call('ZADD', hint_key(c, member), '0', group)
    if first and string.sub(member, 1, 1) == 'U' then
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

local function write_parked(c, r, plan)
    if plan.clear_parked then
        call('UNLINK', plan.parked)
        call_in_chunks('ZADD', plan.parked, scored(plan.keep_parked))
        plan.unpark = {}
    end
    for _, id in ipairs(plan.park) do
        call('ZADD', plan.parked, '0', id)
        call('ZADD', c.prefix .. 'parked:' .. id, '0', r.id)
    end
    for _, id in ipairs(plan.unpark) do
        call('ZREM', plan.parked, id)
        call('ZREM', c.prefix .. 'parked:' .. id, r.id)
    end
end

local function write_members(c, r, plan)
    if plan.clear then
        call('UNLINK', plan.members)
        call_in_chunks('ZADD', plan.members, scored(plan.keep))
        plan.remove = {}
    end
    call_in_chunks('ZADD', plan.members, scored(plan.add))
    call_in_chunks('ZREM', plan.members, plan.remove)
    for _, member in ipairs(plan.add) do
        add_hint(c, r.id, member, plan.first[string.sub(member, 2)])
    end
    for _, member in ipairs(plan.remove) do
        call('ZREM', hint_key(c, member), r.id)
    end
    write_parked(c, r, plan)
end

-- Ids as JSON; those of groups are noted in `groups`, too.
local function ids_text(members, groups)
    local ids = {}
    for i, member in ipairs(members) do
        ids[i] = '"' .. string.sub(member, 2) .. '"'
        if string.sub(member, 1, 1) == 'G' then
            groups[#groups + 1] = ids[i]
        end
    end
    return '[' .. table.concat(ids, ',') .. ']'
end

local function members_data(add, remove)
    local groups = {}
    local text = '"members":{"add":' .. ids_text(add, groups) .. ',"remove":'
        .. ids_text(remove, groups)
    if #groups > 0 then
        text = text .. ',"groups":[' .. table.concat(groups, ',') .. ']'
    end
    return text .. '}'
end

local function with_members(data, plan)
    if not moves(plan) then
        return data
    end
    local text = '"members":{"all":true}'
    if not plan.clear and #plan.add + #plan.remove <= LISTED_MAX then
        text = members_data(plan.add, plan.remove)
    end
    if data == '' or data == '{}' then
        return '{' .. text .. '}'
    end
    return string.sub(data, 1, -2) .. ',' .. text .. '}'
end

-- Another request's subject came to or left a group: that group's own event.
local function append_membership(c, r, group, version, add, remove)
    append_event(c, 'group.members', 'group', group, version, r.actor, r.txn,
        '{' .. members_data(add, remove) .. '}')
end

-- Somebody arrives whom groups were waiting for.
local function unpark(c, r)
    local waiting = c.prefix .. 'parked:' .. r.id
    local groups = call('ZRANGE', waiting, '0', '-1')
    local member = (r.kind == 'user' and 'U' or 'G') .. r.id
    for _, group in ipairs(groups) do
        local key = c.prefix .. 'group:' .. group
        if call('ZREM', key .. ':parked', r.id) == 1 then
            call('ZADD', key .. ':members', '0', member)
            add_hint(c, group, member, true)
            append_membership(c, r, group, touch(c, key), { member }, {})
        end
    end
    if #groups > 0 then
        call('UNLINK', waiting)
    end
end

-- ---- commit --------------------------------------------------------------

local function refused(c, r, head, may_grow)
    if r.if_content == '0' then
        if head then
            return { 'CONTENT' }
        end
    elseif not head then
        return { 'NOTFOUND' }
    end
    if head then
        if r.if_version ~= '' and tonumber(r.if_version) ~= version_of(head)
        then
            return { 'VERSION' }
        end
        if r.if_content ~= ''
            and tonumber(r.if_content) ~= content_of(head) then
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

local function leave_groups(c, r)
    local member = (r.kind == 'user' and 'U' or 'G') .. r.id
    local hints = c.prefix .. r.kind .. ':' .. r.id .. ':groups'
    for _, group in ipairs(call('ZRANGE', hints, '0', '-1')) do
        local key = c.prefix .. 'group:' .. group
        if call('ZREM', key .. ':members', member) == 1 then
            append_membership(c, r, group, touch(c, key), {}, { member })
        end
    end
    call('UNLINK', hints)
end

local function delete(c, r, head, key)
    local version = version_of(head) + 1
    remember_identity(c, r)
    write_indexes(c, r)
    call('ZREM', c.prefix .. r.kind .. 's', r.id)
    call('UNLINK', key, key .. ':members', key .. ':parked')
    call('HDEL', names_key(c, r.kind), r.id)
    append_event(c, r.op, r.kind, r.id, version, r.actor, r.txn, r.data)
    leave_groups(c, r)
    return { 'OK', number_text(version), '0', number_text(c.now), '1' }
end

local function create(c, r, key)
    call('SET', key, header(1, 1, c.now, c.now, '0') .. r.document)
    call('ZADD', c.prefix .. r.kind .. 's', '0', r.id)
    return 1, c.now
end

local function update(c, r, head, key)
    local version, created = version_of(head) + 1, created_of(head)
    if r.document == '' then
        touch(c, key, head)
    else
        call('SET', key, header(version, content_of(head) + 1, created, c.now,
            string.sub(head, HEADER)) .. r.document)
    end
    return version, created
end

local function unchanged(head)
    return { 'OK', number_text(version_of(head)),
        number_text(created_of(head)),
        number_text(tonumber(string.sub(head, 34, 46))), '0' }
end

local function write(c, r, head, key)
    local plan = plan_members(c, r)
    local wrong = nested_wrongly(c, r, plan, head)
    if wrong then
        return wrong
    end
    if head and r.document == '' and not moves(plan) then
        write_parked(c, r, plan) -- nothing to be seen
        return unchanged(head)
    end
    local version, created
    if head then
        version, created = update(c, r, head, key)
    else
        version, created = create(c, r, key)
    end
    local shared = write_indexes(c, r)
    if r.name ~= '' then
        call('HSET', names_key(c, r.kind), r.id, r.name)
    end
    local data = with_members(r.data, plan)
    if r.mode ~= 'keep' then
        write_members(c, r, plan)
    end
    append_event(c, r.document == '' and 'group.members' or r.op, r.kind,
        r.id, version, r.actor, r.txn, data)
    if not head then
        unpark(c, r)
        recognize(c, r)
    end
    return { 'OK', number_text(version), number_text(created),
        number_text(c.now), '1', shared and '1' }
end

function async_key(c, id)
    return c.prefix .. 'async:' .. id
end

-- Of an accepted request, "<id>", or of an operation of an accepted Bulk
-- request, "<id>:<number>": its key and what the fields of its effect end in.
local function execution_of(c, r)
    local at = string.find(r.execution, ':', 1, true) or #r.execution + 1
    return async_key(c, string.sub(r.execution, 1, at - 1)),
        string.sub(r.execution, at)
end

-- A request that a sidecar executes has its effect once: when it had it
-- already, that is the answer.
local function had_effect(c, r)
    local key, which = execution_of(c, r)
    local known = call('HMGET', key, 'state', 'effectId' .. which)
    return known[1] ~= 'queued' or known[2]
end

local function note_effect(c, r, version)
    local key, which = execution_of(c, r)
    call('HSET', key, 'effectId' .. which, r.id, 'effectVersion' .. which,
        version)
end

local function commit(keys, args, may_grow)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local r = read_commit(args)
    if r.execution ~= '' and had_effect(c, r) then
        return { 'DONE' }
    end
    local key = c.prefix .. r.kind .. ':' .. r.id
    local head = call('GETRANGE', key, 0, HEADER - 1)
    head = #head == HEADER and head or nil
    failed = refused(c, r, head, may_grow)
    if failed then
        return failed
    end
    local answer = r.deleted and delete(c, r, head, key)
        or write(c, r, head, key)
    if r.execution ~= '' and answer[5] == '1' then
        note_effect(c, r, answer[2])
    end
    return answer
end

register('commit', function(keys, args)
    return commit(keys, args, true)
end, {})

-- Removals must work when memory is full and when events pile up.
register('commit_oom', function(keys, args)
    return commit(keys, args, false)
end, { 'allow-oom' })

-- ---- reading ---------------------------------------------------------------

-- 'D' (direct) or 'I' (by another group) and the id, the name: of each group.
local function push_groups(c, id, out)
    local groups, direct = groups_of(c, 'U' .. id)
    out[#out + 1] = #groups
    out[#out + 1] = 2 * #groups
    for i, group in ipairs(groups) do
        out[#out + 1] = (i > direct and 'I' or 'D') .. group
        out[#out + 1] = call('HGET', names_key(c, 'group'), group) or '""'
    end
end

-- The first members, one string: one behind the other.
local function push_members(c, id, out)
    local key = c.prefix .. 'group:' .. id .. ':members'
    local page = call('ZRANGE', key, 0, CHUNK - 1)
    out[#out + 1] = #page < CHUNK and #page or call('ZCARD', key)
    out[#out + 1] = #page > 0 and 1 or 0
    if #page > 0 then
        out[#out + 1] = table.concat(page)
    end
end

-- Members and groups that are told at once: groups cost look-ups, so they
-- count more.  A page of 200 groups of 50 or of 100 users in 10 is one call.
local PUSHED_MAX = 10000
local PUSHED_USER = 10 -- what one of a user's groups counts

-- A user's record says whether there are groups to be told.
function has_extra(kind, record, extra)
    return extra == '1'
        and (kind ~= 'user' or string.sub(record, HEADER, HEADER) == '1')
end

-- <id> <record> <extra total> <n> string...
local function push_entry(c, kind, id, record, extra, out)
    out[#out + 1] = id
    out[#out + 1] = record
    if not has_extra(kind, record, extra) then
        out[#out + 1] = 0
        out[#out + 1] = 0
    elseif kind == 'user' then
        push_groups(c, id, out)
    else
        push_members(c, id, out)
    end
end

-- What comes later: the caller reads a group's members itself, asks for a
-- user's groups by a `list_read` of those users.
local function push_later(c, kind, id, record, out)
    local grouped = string.sub(record, HEADER, HEADER) == '1'
    out[#out + 1] = id
    out[#out + 1] = record
    out[#out + 1] = kind == 'user' and (grouped and 1 or 0)
        or call('ZCARD', c.prefix .. 'group:' .. id .. ':members')
    out[#out + 1] = 0
end

-- Answers how many of the ids have an entry.  Once as many members and groups
-- are told as one call may take, the other entries are told without theirs.
function push_entries(c, kind, ids, extra, out)
    local n, pushed = 0, 0
    for i = 1, #ids, CHUNK do
        local names = {}
        for j = i, math.min(i + CHUNK - 1, #ids) do
            names[#names + 1] = c.prefix .. kind .. ':' .. ids[j]
        end
        local records = call('MGET', unpack(names))
        for j, record in ipairs(records) do
            if record then
                local at = #out
                n = n + 1
                if extra ~= '0' and pushed >= PUSHED_MAX then
                    push_later(c, kind, ids[i + j - 1], record, out)
                else
                    push_entry(c, kind, ids[i + j - 1], record, extra, out)
                    pushed = pushed + math.min(out[at + 3], CHUNK)
                        * (kind == 'user' and PUSHED_USER or 1)
                end
            end
        end
    end
    return n
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

end
