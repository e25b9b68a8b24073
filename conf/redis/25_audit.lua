-- What happened, to whom, and why: the audit stream, which webhooks read by
-- cursor, and the events that made the sidecar look at somebody.

local CAUSES_MAX = 8 -- events kept for one person who is not planned yet
local CAUSE_MARK = '\30' -- between them; lines never hold one

-- A webhook that waits for nothing else has something to read.  `next` is the
-- oldest entry that it has not passed: should that be gone one day, something
-- was trimmed before it was delivered.
local function wake_webhooks(c, entry)
    if c.webhooks_woken == c.workspace then
        return
    end
    c.webhooks_woken = c.workspace
    for _, id in ipairs(call('ZRANGE', c.prefix .. 'webhooks', '0', '-1')) do
        local key = c.prefix .. 'webhook:' .. id .. ':state'
        local state = call('HMGET', key, 'next', 'owner', 'paused', 'off')
        if (state[1] or '') == '' then
            call('HSET', key, 'next', entry)
        end
        if (state[2] or '') == '' and (state[4] or '') == '' then
            call('ZADD', c.shard .. 'webhooks', 'LT', number_text(math.max(
                c.now, tonumber(state[3] or '') or 0)), c.workspace .. ' '
                .. id)
        end
    end
end

-- Every change of access is an entry; what caused it is in it where known.
-- `event` and `ref`: what webhooks call it, and what it is about, where that
-- is no grant.  Answers the entry's id.
local function audit(c, actor, app, user, from, to, why, event, ref)
    local fields = { 'ts', number_text(c.now), 'actor', actor, 'app', app,
        'user', user, 'from', from, 'to', to, 'why', why }
    local cause = c.cause or {}
    for name, value in pairs({ share = cause.share, txn = cause.txn,
        eventId = cause.id, op = cause.op, resource = cause.resource,
        event = event, ref = ref }) do
        if value ~= '' then
            fields[#fields + 1] = name
            fields[#fields + 1] = value
        end
    end
    local entry = call('XADD', c.prefix .. 'audit', '*', unpack(fields))
    wake_webhooks(c, entry)
    return entry
end

-- Something that webhooks alone are told; without `to` the audit does not show
-- it.  More fields as pairs.  Answers the entry's id.
local function notice(c, event, ref, app, user, ...)
    if call('EXISTS', c.prefix .. 'webhooks') == 0 then
        return ''
    end
    local entry = call('XADD', c.prefix .. 'audit', '*', 'ts',
        number_text(c.now), 'event', event, 'ref', ref, 'app', app, 'user',
        user, ...)
    wake_webhooks(c, entry)
    return entry
end

-- An operator's request is the cause of what follows from it.
local function because(c, op, resource, actor, txn, app)
    c.cause = { id = '', op = op, resource = resource, txn = txn, weak = '',
        app = app or '', share = '', actor = actor }
end

-- Remembers why the person is looked at.  A weak cause (a change of a person's
-- title, say) is kept only where there is no other.
local function note_cause(c, member)
    if not c.cause then
        return
    end
    local key, text = c.shard .. 'causes', cause_text(c.cause)
    local old = call('HGET', key, member)
    if old and c.cause.weak ~= '' then
        return
    end
    if old and read_cause(old).weak == '' then
        if string.find(old, text, 1, true) then
            return
        end
        local _, count = string.gsub(old, CAUSE_MARK, '')
        if count + 1 >= CAUSES_MAX then
            old = string.match(old, CAUSE_MARK .. '(.*)$')
        end
        text = old .. CAUSE_MARK .. text
    end
    call('HSET', key, member, text)
end

-- The causes of a person who is planned now, oldest first.
local function causes_of(c, member)
    local causes = {}
    for text in string.gmatch((call('HGET', c.shard .. 'causes', member)
        or '') .. CAUSE_MARK, '([^' .. CAUSE_MARK .. ']*)' .. CAUSE_MARK) do
        causes[#causes + 1] = read_cause(text)
    end
    return causes
end

local function forget_causes(c, member)
    call('HDEL', c.shard .. 'causes', member)
end

-- The one that explains a change of this app: the last that is about it, else
-- the last that is about no other.
local function cause_of_app(causes, app)
    local general
    for i = #causes, 1, -1 do
        if causes[i].app == app then
            return causes[i]
        end
        general = general or (causes[i].app == '' and causes[i])
    end
    return general or causes[#causes]
end

local AUDIT_TRIMMED = 10000 -- entries of a workspace that one call forgets

-- audit_trim <entries to keep> <days to keep>: for all workspaces of the
-- shard, what is beyond either; a bit at a time.
register('audit_trim', function(keys, args)
    local c, failed = begin(keys, args)
    if not c then
        return failed
    end
    local since = number_text(c.now - tonumber(args[5]) * 86400000)
    local gone = 0
    for _, workspace in ipairs(call('ZRANGE', c.shard .. 'workspaces', '0',
        '-1')) do
        local key = c.shard .. workspace .. ':audit'
        gone = gone + call('XTRIM', key, 'MAXLEN', '~', args[4], 'LIMIT',
            AUDIT_TRIMMED) + call('XTRIM', key, 'MINID', '~', since, 'LIMIT',
            AUDIT_TRIMMED)
    end
    return { 'OK', gone }
end, { 'allow-oom' })
