-- Who left may come back: what operators granted waits for them a while.  The
-- rest is in 35_leavers.lua.

local look_at_leaver, is_gone_for_good -- of 35_leavers.lua

-- An identity provider that deletes people makes new ones of those who return;
-- the externalId says that it is the same person.  Names are used again.
local function external_ids(r, which)
    for _, index in ipairs(r.indexes) do
        if index.attribute == 'externalId' then
            return index[which]
        end
    end
    return {}
end

local function remember_identity(c, r)
    local key = c.prefix .. 'user:' .. r.id
    if r.kind ~= 'user' or call('EXISTS', key .. ':apps', key .. ':teams')
        == 0 then
        return
    end
    for _, id in ipairs(external_ids(r, 'old')) do
        call('HSET', c.prefix .. 'former', redis.sha1hex(id), r.id)
    end
end

local function recognize(c, r)
    for _, id in ipairs(r.kind == 'user' and external_ids(r, 'new') or {}) do
        local field = redis.sha1hex(id)
        local former = call('HGET', c.prefix .. 'former', field)
        if former then
            call('HDEL', c.prefix .. 'former', field)
            call('HSET', c.prefix .. 'returned', r.id, former)
        end
    end
end
