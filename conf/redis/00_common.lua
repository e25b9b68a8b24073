-- What every function shares: names of keys, the checks before anything is
-- written, events.  Lua holds atomicity only; documents are opaque text.
-- Numbers that a command is given are written as text: Redis prints each one
-- that is not by %.17g, which costs as much as a small command.
local call -- redis.call, which does not exist yet while the library loads
local CHUNK = 1000 -- unpack() of much more fails, and fails late

local function number_text(number)
    return string.format('%d', number)
end

local function milliseconds()
    local time = call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- Why something is done: the event that the sidecar works on, as lines.
local CAUSE_FIELDS = { 'id', 'op', 'resource', 'txn', 'weak', 'app', 'share',
    'actor' }

local function read_cause(text)
    local cause, i = {}, 0
    for line in string.gmatch((text or '') .. '\n', '([^\n]*)\n') do
        i = i + 1
        if CAUSE_FIELDS[i] then
            cause[CAUSE_FIELDS[i]] = line
        end
    end
    return i >= #CAUSE_FIELDS and cause or nil
end

local function cause_text(cause)
    local lines = {}
    for i, field in ipairs(CAUSE_FIELDS) do
        lines[i] = string.gsub(cause[field] or '', '%c', ' ')
    end
    return table.concat(lines, '\n')
end

-- KEYS[1] is the shard's event stream; ARGV begins with workspace, data-set
-- id, deadline (and behind a newline the cause).  Returns the context, or nil
-- and the code to answer.
local function begin(keys, args)
    call = redis.call
    local shard = string.sub(keys[1], 1, -7)
    local known = call('HMGET', shard .. 'dataset', 'id', 'appended',
        'committed')
    if not known[1] or (args[2] ~= '' and args[2] ~= known[1]) then
        return nil, { 'DATASET' }
    end
    local now = milliseconds()
    local line = string.find(args[3], '\n', 1, true)
    local deadline = tonumber(line and string.sub(args[3], 1, line - 1)
        or args[3])
    if deadline and deadline > 0 and now > deadline then
        return nil, { 'EXPIRED' }
    end
    return {
        shard = shard,
        workspace = args[1],
        prefix = shard .. args[1] .. ':',
        now = now,
        waiting = (tonumber(known[2]) or 0) - (tonumber(known[3]) or 0),
        dataset = known[1],
        cause = line and read_cause(string.sub(args[3], line + 1)),
    }
end

-- Users' or groups' names where others show them: id -> JSON text.
local function names_key(c, kind)
    return c.prefix .. kind .. '-names'
end

local function app_key(c, app)
    return c.prefix .. 'app:' .. app
end

-- Answers the entry's id.
local function append_event(c, op, kind, id, version, actor, txn, data)
    call('HINCRBY', c.shard .. 'dataset', 'appended', '1')
    return call('XADD', c.shard .. 'events', '*', 'ws', c.workspace, 'op', op,
        'type', kind, 'id', id, 'v', version, 'ts', number_text(c.now),
        'actor', actor, 'txn', txn, 'data', data == '' and '{}' or data)
end

-- The shard's set of what is due holds the workspace's `id` until then; `due`
-- nil = no more.
local function queue_in(c, set, id, due)
    local member = c.workspace .. ' ' .. id
    if due then
        call('ZADD', c.shard .. set, number_text(due), member)
    else
        call('ZREM', c.shard .. set, member)
    end
end

-- Calls `command key ... list` in pieces that unpack() can take; the answers
-- of all pieces as one list, for commands that answer with a list.
local function call_in_chunks(command, key, list)
    local answers = {}
    for i = 1, #list, CHUNK do
        local answer = call(command, key, unpack(list, i,
            math.min(i + CHUNK - 1, #list)))
        if type(answer) == 'table' then
            for _, one in ipairs(answer) do
                answers[#answers + 1] = one
            end
        end
    end
    return answers
end

-- The fields of an entry of a stream, by name.
local function entry_values(entry)
    local values = {}
    for i = 1, #entry[2], 2 do
        values[entry[2][i]] = entry[2][i + 1]
    end
    return values
end

-- Its id and these of its values, empty for what it lacks.
local function push_values(out, id, values, names)
    out[#out + 1] = id
    for _, name in ipairs(names) do
        out[#out + 1] = values[name] or ''
    end
end

local function register(name, callback, flags)
    redis.register_function{
        function_name = '@PREFIX@' .. name,
        callback = callback,
        flags = flags,
    }
end

-- dataset_create <new id> <shards>: makes an empty shard usable.
register('dataset_create', function(keys, args)
    call = redis.call
    local shard = string.sub(keys[1], 1, -7)
    local id = call('HGET', shard .. 'dataset', 'id')
    if id then
        return { 'EXISTS', id }
    end
    local group = redis.pcall('XGROUP', 'CREATE', keys[1], 'sidecar', '0',
        'MKSTREAM')
    if group.err and string.sub(group.err, 1, 9) ~= 'BUSYGROUP' then
        return { 'STATE' }
    end
    call('HSET', shard .. 'dataset', 'id', args[4], 'shards', args[5],
        'created', number_text(milliseconds()), 'appended', 0, 'committed', 0)
    return { 'OK' }
end, {})
