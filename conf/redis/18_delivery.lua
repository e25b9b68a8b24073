-- How each app takes calls: the tasks that wait for it, the calls under way,
-- its rate, and whether it is down.  Kept here, so that all sidecars hold to
-- it; what an answer means for an app the sidecar says.

local delivery = {}
do
    local RECENT = 20 -- answers that the share of failures is taken of
    local FAILURES = 5 -- in a row
    local PROBE_FIRST, PROBE_LAST = 2000, 60000 -- ms between probes
    local PROBE_LEASE = 60000 -- ms until a probe without an answer is another's
    local DOUBLING = 60000 -- ms in which a rate that was halved doubles
    local KEPT = 7 * 86400 -- seconds that an app nobody calls stays known
    local RETRIES, RETRIES_SECOND, RETRIES_SHARE = 20, 1, 0.1
    local FIELDS = { 'openUntil', 'probeUntil', 'pausedUntil', 'tokens',
        'tokensAt', 'slow', 'slowAt', 'learned', 'learnedUntil', 'retries',
        'retriesAt', 'listing', 'asked', 'askedSince' }
    local ASK_AGAIN = 50 -- ms until a further call asks for a place again
    local ASKED = 3000 -- ms that one who waits is remembered
    -- ms that a further call waits before tasks, removals leave it room
    local PATIENCE, PATIENCE_REMOVAL = 100, 2000

    local function state_key(c, app)
        return app_key(c, app) .. ':delivery'
    end

    local function read_numbers(key, fields)
        local numbers = {}
        for i, value in ipairs(call('HMGET', key, unpack(fields))) do
            numbers[fields[i]] = tonumber(value or '')
        end
        return numbers
    end

    -- ---- rate ----

    -- Calls a second that the app takes now, nil = as many as one likes.
    local function rate_now(limits, s, now)
        local rate = limits.rate
        if s.slow then
            local slow = s.slow * 2 ^ ((now - s.slowAt) / DOUBLING)
            if slow < (rate or 8 * s.slow) then
                rate = slow
            end
        end
        if s.learned and s.learnedUntil > now then
            rate = math.min(rate or s.learned, s.learned)
        end
        return rate
    end

    -- What a bucket holds that fills by `rate` a second.
    local function filled(tokens, at, rate, burst, now)
        if not tokens then
            return burst
        end
        return math.min(burst, tokens + math.max(0, now - at) * rate / 1000)
    end

    local function burst_of(limits, rate)
        return math.max(1, limits.rate and rate < limits.rate and 1
            or limits.burst or rate / 10)
    end

    -- The ms until there are so many tokens, and those there are now; nil where
    -- nothing is counted.
    local function token_wait(limits, s, now, needed)
        local rate = rate_now(limits, s, now)
        if not rate then
            return 0, nil
        end
        local tokens = filled(s.tokens, s.tokensAt, rate,
            math.max(needed, burst_of(limits, rate)), now)
        return tokens < needed and math.ceil((needed - tokens) * 1000 / rate)
            or 0, tokens
    end

    local function read_state(c, app)
        return read_numbers(state_key(c, app), FIELDS),
            read_numbers(app_key(c, app) .. ':limits', { 'concurrency',
                'rate', 'burst' })
    end

    -- Pages of lists that are being read now take places, too.
    local function listing_now(c, app, s)
        if not s.listing or s.listing <= c.now then
            return 0
        end
        return call('ZCOUNT', app_key(c, app) .. ':listing', '('
            .. number_text(c.now), '+inf')
    end

    -- One place, and one token, for a further call that has waited long enough.
    local function kept_free(s, now, kind)
        if not s.asked or s.asked <= now then
            return 0
        end
        return now - s.askedSince >= (kind == 'remove' and PATIENCE_REMOVAL
            or PATIENCE) and 1 or 0
    end

    -- Calls that may start now, or 0 and the ms after which to ask again;
    -- then the tokens that are there, nil where nothing is counted.
    local function room(c, app, s, limits, kept)
        if s.openUntil then
            local wait = math.max(s.openUntil, s.probeUntil or 0) - c.now
            return wait > 0 and 0 or 1, wait
        end
        if (s.pausedUntil or 0) > c.now then
            return 0, s.pausedUntil - c.now
        end
        local free = (limits.concurrency or 8) - kept
            - call('ZCARD', app_key(c, app) .. ':running')
            - listing_now(c, app, s)
        if free <= 0 then
            return 0, kept > 0 and ASK_AGAIN
                or 1000 -- a call that ends asks at once
        end
        local wait, tokens = token_wait(limits, s, c.now, 1 + kept)
        if wait > 0 then
            return 0, wait, tokens
        end
        return tokens and math.min(free, math.floor(tokens) - kept) or free,
            0, tokens
    end

    local function take_token(c, app, tokens)
        if tokens then
            call('HSET', state_key(c, app), 'tokens',
                string.format('%.4f', tokens - 1), 'tokensAt',
                number_text(c.now))
            call('EXPIRE', state_key(c, app), KEPT)
        end
    end

    -- Repetitions are at most a tenth of the calls, and one a second.
    local function retry_wait(c, app, s, again)
        if not again and not s.retries then
            return 0
        end
        local budget = filled(s.retries, s.retriesAt, RETRIES_SECOND, RETRIES,
            c.now)
        if again and budget < 1 then
            return math.ceil((1 - budget) * 1000 / RETRIES_SECOND)
        end
        budget = math.min(RETRIES, budget + (again and -1 or RETRIES_SHARE))
        if budget >= RETRIES then
            call('HDEL', state_key(c, app), 'retries', 'retriesAt')
        else
            call('HSET', state_key(c, app), 'retries', budget, 'retriesAt',
                number_text(c.now))
        end
        return 0
    end

    -- A call may start: nil, and it is counted; or the ms to wait, and whether
    -- that holds for this one alone.
    function delivery.admit(c, app, again, kind)
        local s, limits = read_state(c, app)
        local n, wait, tokens = room(c, app, s, limits, kept_free(s, c.now,
            kind))
        if n == 0 then
            return math.max(wait, 1)
        end
        wait = s.openUntil and 0 or retry_wait(c, app, s, again)
        if wait > 0 then
            return wait, true
        end
        if s.openUntil then
            call('HSET', state_key(c, app), 'probeUntil',
                number_text(c.now + PROBE_LEASE))
        else
            take_token(c, app, tokens)
        end
        return nil
    end

    -- ---- calls that are no task's first ----

    -- Tasks that ask meanwhile leave it room after a while.
    local function note_asked(c, app, s)
        local key = state_key(c, app)
        if not s.asked or s.asked <= c.now then
            call('HSET', key, 'askedSince', number_text(c.now))
        end
        call('HSET', key, 'asked', number_text(c.now + ASKED))
        call('EXPIRE', key, KEPT)
    end

    -- How long a further call has to wait: 0 = not at all, and its token is
    -- taken.  A page of a list needs a place, and may be the probe of an app
    -- that is down; the others are a task's that has one.
    local function further_wait(c, app, s, limits, listing)
        if s.openUntil then
            return listing and math.max(0, (s.probeUntil or 0) - c.now) or 0
        end
        local n, wait, tokens = 1, 0, nil
        if listing then
            n, wait, tokens = room(c, app, s, limits, 0)
        else
            wait, tokens = token_wait(limits, s, c.now, 1)
        end
        if n > 0 and wait == 0 then
            take_token(c, app, tokens)
            return 0
        end
        return tokens and wait or math.min(wait, ASK_AGAIN)
    end

    -- A further call may start: 0; else the ms to wait, and whether the app
    -- itself asked for it.
    function delivery.further(c, app, id, lease, listing)
        local s, limits = read_state(c, app)
        if (s.pausedUntil or 0) > c.now then
            return s.pausedUntil - c.now, true
        end
        local wait = further_wait(c, app, s, limits, listing)
        if wait > 0 then
            note_asked(c, app, s)
            return wait, false
        end
        if s.asked then
            call('HDEL', state_key(c, app), 'asked', 'askedSince')
        end
        if listing then
            local key = app_key(c, app) .. ':listing'
            call('ZREMRANGEBYSCORE', key, '-inf', number_text(c.now))
            call('ZADD', key, number_text(c.now + lease), id)
            call('PEXPIRE', key, lease)
            call('HSET', state_key(c, app), 'listing', number_text(math.max(
                s.listing or 0, c.now + lease)))
            call('EXPIRE', state_key(c, app), KEPT)
            if s.openUntil then
                call('HSET', state_key(c, app), 'probeUntil',
                    number_text(c.now + PROBE_LEASE))
            end
        end
        return 0, false
    end

    -- The page is read.
    function delivery.listed(c, app, id)
        local key = app_key(c, app) .. ':listing'
        call('ZREM', key, id)
        if call('EXISTS', key) == 0 then
            call('HDEL', state_key(c, app), 'listing')
        end
    end

    -- ---- the queue ----

    local function queue_key(c, app, kind)
        return app_key(c, app) .. (kind == 'remove' and ':first' or ':queue')
    end

    local function look_at(c, app, at)
        call('ZADD', c.shard .. 'due', 'LT', number_text(at), c.workspace
            .. ' ' .. app)
    end

    -- A new task waits.
    function delivery.add(c, app, kind, id, due)
        call('ZADD', queue_key(c, app, kind), number_text(due), id)
        look_at(c, app, due)
    end

    function delivery.enqueue(c, app, kind, id, due)
        call('ZREM', app_key(c, app) .. ':running', id)
        call('ZREM', app_key(c, app) .. ':unverified', id)
        delivery.add(c, app, kind, id, due)
    end

    -- Does it wait in the queue, and for no later than in so many ms?
    function delivery.is_queued(c, app, kind, id, ms)
        local due = tonumber(call('ZSCORE', queue_key(c, app, kind), id) or '')
        return due and due <= c.now + ms
    end

    -- A task is in one of the sets, mostly that of the calls under way.
    function delivery.drop(c, app, id)
        local key = app_key(c, app)
        for _, set in ipairs({ ':running', ':first', ':queue',
            ':unverified' }) do
            if call('ZREM', key .. set, id) == 1 then
                return
            end
        end
    end

    -- The call is under way until its lease runs out.
    function delivery.run(c, app, kind, id, lease)
        call('ZREM', queue_key(c, app, kind), id)
        call('ZADD', app_key(c, app) .. ':running', number_text(lease), id)
        look_at(c, app, lease)
    end

    function delivery.renew(c, app, id, lease)
        call('ZADD', app_key(c, app) .. ':running', 'XX', number_text(lease),
            id)
    end

    local function first_score(key)
        local first = call('ZRANGE', key, '0', '0', 'WITHSCORES')
        return tonumber(first[2] or '')
    end

    -- A call ended: are there tasks that could take its place?
    function delivery.more(c, app)
        local key = app_key(c, app)
        local due = math.min(first_score(key .. ':first') or 1e15,
            first_score(key .. ':queue') or 1e15)
        if due > c.now then
            return '0'
        end
        look_at(c, app, c.now)
        return '1'
    end

    -- Whose lease ran out waits again.
    local function end_leases(c, app)
        for _, id in ipairs(call('ZRANGEBYSCORE', app_key(c, app)
            .. ':running', '-inf', number_text(c.now), 'LIMIT', '0', CHUNK)) do
            local kind = call('HGET', c.prefix .. 'task:' .. id, 'kind')
            if kind then
                delivery.enqueue(c, app, kind, id, c.now)
            else
                delivery.drop(c, app, id)
            end
        end
    end

    local function hand_out(c, app, set, count, reserved, out)
        local key = app_key(c, app) .. set
        for _, id in ipairs(count > 0 and call('ZRANGEBYSCORE', key, '-inf',
            number_text(c.now), 'LIMIT', '0', count) or {}) do
            local kind = call('HGET', c.prefix .. 'task:' .. id, 'kind')
            if kind then
                call('ZADD', key, number_text(c.now + reserved), id)
                for _, text in ipairs({ c.workspace, id, app, kind }) do
                    out[#out + 1] = text
                end
                count = count - 1
            else
                call('ZREM', key, id)
            end
        end
        return count
    end

    -- Hands out the app's tasks that are due and have room; says when to look
    -- at it again.
    function delivery.visit(c, app, reserved, out)
        local key, member = app_key(c, app), c.workspace .. ' ' .. app
        end_leases(c, app)
        local s, limits = read_state(c, app)
        local n, wait = room(c, app, s, limits, 0)
        if n > 0 and not s.openUntil then -- and some that take the place
            n = n + 2 * (limits.concurrency or 8)
        end
        n = hand_out(c, app, ':first', n, reserved, out)
        hand_out(c, app, ':queue', n, reserved, out)
        local due = math.min(first_score(key .. ':first') or 1e15,
            first_score(key .. ':queue') or 1e15)
        if due < 1e15 then
            due = math.max(due, c.now + math.max(1, wait))
        end
        due = math.min(due, first_score(key .. ':running') or 1e15)
        if due < 1e15 then
            call('ZADD', c.shard .. 'due', number_text(due), member)
            return
        end
        call('ZREM', c.shard .. 'due', member)
        -- an entry of an older version was a task's
        local task = call('HMGET', c.prefix .. 'task:' .. app, 'app', 'kind')
        if task[1] then
            delivery.enqueue(c, task[1], task[2], app, c.now)
        end
    end

    -- ---- what the answers say about the app ----

    local function is_broken(recent, failures)
        local _, failed = string.gsub(recent, '-', '')
        return failures >= FAILURES
            or (#recent >= RECENT and failed * 2 >= RECENT)
    end

    -- Down: the next probe, later each time, for all sidecars.
    local function open(c, app, s, why)
        local key = state_key(c, app)
        local probes = (tonumber(s[4] or '') or 0) + 1
        local wait = math.min(PROBE_LAST, PROBE_FIRST * 2 ^ (probes - 1))
        local until_ms = number_text(c.now + wait)
        call('HSET', key, 'openUntil', until_ms, 'probes', probes, 'why', why)
        call('HSETNX', key, 'downSince', number_text(c.now))
        call('HDEL', key, 'probeUntil')
        call('ZADD', c.shard .. 'down', number_text(c.now), c.workspace .. ' '
            .. app)
        return not s[3] and 'down' or ''
    end

    -- Up again: at half its rate, and everybody who waited is next.
    local function close(c, app)
        local key, rate = state_key(c, app),
            call('HGET', app_key(c, app) .. ':limits', 'rate')
        call('HDEL', key, 'openUntil', 'probeUntil', 'probes', 'downSince',
            'why', 'failures', 'recent')
        call('HSET', key, 'okAt', number_text(c.now))
        if tonumber(rate or '') then
            call('HSET', key, 'slow', tonumber(rate) / 2, 'slowAt',
                number_text(c.now))
        end
        call('ZREM', c.shard .. 'down', c.workspace .. ' ' .. app)
        for _, set in ipairs({ ':first', ':queue' }) do
            for _, id in ipairs(call('ZRANGEBYSCORE', app_key(c, app) .. set,
                '(' .. number_text(c.now), '+inf', 'LIMIT', '0', CHUNK)) do
                call('ZADD', app_key(c, app) .. set, number_text(c.now), id)
            end
        end
        look_at(c, app, c.now)
        return 'up'
    end

    -- An answer: 'ok' or 'failed'.  Answers what came of it, down or up.
    function delivery.note(c, app, health, why)
        local key = state_key(c, app)
        local s = call('HMGET', key, 'recent', 'failures', 'openUntil',
            'probes', 'okAt', 'probeUntil')
        if health == 'ok' then
            if s[3] then
                return close(c, app)
            end
            if not s[1] then
                if not s[5] then -- it worked once: no definition is wrong
                    call('HSET', key, 'okAt', number_text(c.now))
                end
                return ''
            end
        end
        local recent = string.sub((s[1] or '') .. (health == 'ok' and '+'
            or '-'), -RECENT)
        local failures = health == 'ok' and 0
            or (tonumber(s[2] or '') or 0) + 1
        if not string.find(recent, '-', 1, true) then
            call('HDEL', key, 'recent', 'failures')
            return ''
        end
        call('HSET', key, 'recent', recent, 'failures', failures)
        if health == 'ok' then
            call('HSET', key, 'okAt', number_text(c.now))
        end
        call('EXPIRE', key, KEPT)
        if s[3] and not s[6] then
            return '' -- no probe: it was under way when the others failed
        end
        if health == 'failed' and (s[3] or is_broken(recent, failures)) then
            return open(c, app, s, why)
        end
        return ''
    end

    -- When the next probe is due, nil = the app is up.
    function delivery.down_until(c, app)
        return tonumber(call('HGET', state_key(c, app), 'openUntil') or '')
    end

    -- Did it say yes to somebody after that?
    function delivery.ok_since(c, app, at)
        local ok = tonumber(call('HGET', state_key(c, app), 'okAt') or '')
        return ok and ok > at or false
    end

    -- No calls for a while.
    function delivery.pause(c, app, ms)
        local key = state_key(c, app)
        local old = tonumber(call('HGET', key, 'pausedUntil') or '') or 0
        if c.now + ms > old then
            call('HSET', key, 'pausedUntil', number_text(c.now + ms))
            call('EXPIRE', key, KEPT)
        end
    end

    -- Too many calls: half of what there were, `observed` a second where no
    -- rate is known.  Calls that were under way together count once.
    function delivery.slow_down(c, app, observed, pause)
        local s, limits = read_state(c, app)
        if s.slowAt and c.now - s.slowAt < 1000 + pause then
            return
        end
        s.learned = nil -- what was left of a window is over with it
        local rate = rate_now(limits, s, c.now) or observed
        call('HSET', state_key(c, app), 'slow',
            string.format('%.4f', math.max(0.02, rate / 2)), 'slowAt',
            number_text(c.now + pause), 'tokens', 0, 'tokensAt',
            number_text(c.now + pause))
        call('EXPIRE', state_key(c, app), KEPT)
    end

    -- The app said what is left of its limit, and for how long.
    function delivery.learn(c, app, rate, ms)
        call('HSET', state_key(c, app), 'learned', rate, 'learnedUntil',
            number_text(c.now + ms))
        call('EXPIRE', state_key(c, app), KEPT)
    end

    -- The next probe is now.
    function delivery.probe(c, app)
        local key = state_key(c, app)
        if call('HEXISTS', key, 'openUntil') == 1 then
            call('HSET', key, 'openUntil', number_text(c.now), 'probes', 0)
            call('HDEL', key, 'probeUntil')
            for _, set in ipairs({ ':first', ':queue' }) do
                local id = call('ZRANGE', app_key(c, app) .. set, '0', '0')[1]
                if id then
                    call('ZADD', app_key(c, app) .. set, 'LT',
                        number_text(c.now), id)
                end
            end
            look_at(c, app, c.now)
        end
    end

    -- <down since> <why> <next probe> <paused until> <rate> <running>
    -- <waiting>, empty for what is not so
    function delivery.show(c, app)
        local key = app_key(c, app)
        local known = call('HMGET', state_key(c, app), 'downSince', 'why',
            'openUntil', 'pausedUntil')
        local s, limits = read_state(c, app)
        local rate = rate_now(limits, s, c.now)
        local paused = tonumber(known[4] or '') or 0
        return { known[1] or '', known[2] or '', known[3] or '',
            paused > c.now and number_text(paused) or '',
            rate and string.format('%.4g', rate) or '',
            call('ZCARD', key .. ':running'),
            call('ZCARD', key .. ':first') + call('ZCARD', key .. ':queue') }
    end
end
