/*
 * The hand-off of one keys-db between two workers: claim, deliver, takeover, and a Redis that comes back with old data.
 *
 * The stores are in stores.pml. A worker does, in any order the code allows, what a reign does: each step is one operation
 * on one store, or what follows in memory until the next one. Nothing keeps a worker from going on after its lock is gone:
 * that is a paused worker, which wakes at any moment. What can happen besides is at the end (World), bounded in number.
 *
 * A comment "file:function" names what is modelled, and that function's comment names this file; a test holds both to it.
 *
 * Left out: other keys-dbs, a keys-db put back, mappers that give keys back, batches of several keys or parts (a claim here
 * has one key; of other pools there is only that claims for them count in the same log), and time: a session that ends, a
 * deadline that passes and a quarantine that is over are things that may happen.
 */

/* Bounds; each check of the test sets its own. */
#ifndef REIGNS
#define REIGNS 2 /* locks taken, over both workers */
#endif
#ifndef KEYS
#define KEYS 2 /* keys generated */
#endif
#ifndef BATCHES
#define BATCHES 2 /* claims, those of recycled keys included */
#endif
#ifndef CUTS
#define CUTS 0 /* operations whose sender hears nothing, and which are carried out later or never */
#endif
#ifndef ASIDE
#define ASIDE 0 /* claims for another pool */
#endif
#ifndef COPIES
#define COPIES 0 /* snapshots taken of Redis */
#endif
#ifndef RESTORES
#define RESTORES 0 /* times Redis comes back with its snapshot, or empty without one */
#endif
#ifndef DEATHS
#define DEATHS 0 /* mappers that die with a key in hand */
#endif

#include "stores.pml"

/* What a worker is at. The steps below are those of its reign. */
#define OUT 0
#define RAISING 1
#define ASKING 2
#define LIFTING 3
#define READING_LOG 4
#define RECONCILING 5
#define REIGNING 6

/* What its lane is at. */
#define DETACHED 0
#define ANNOUNCING 1
#define ATTACHED 2
#define AT_GAP 3
#define ADOPTED 4
#define LOOKED 5
#define RECORDED 6

/* What its claim, and its reading of pending batches, are at. */
#define IDLE 0
#define COMMITTING 1
#define CHECKED 2
#define READ 1

byte aside, copies, restores, deaths;
bool oneIsGone;
/* The newest reign that is reconciled. */
byte readyEpoch;

#define MAY_CLAIM (phase == REIGNING && claim == IDLE && !unresolved && batches < BATCHES)

#ifdef NO_LOOK_AT_LOG
#define LOG_HOLDS_MORE (assigned + 1 <= lastSeq)
#else
#define LOG_HOLDS_MORE (batches != known)
#endif

#define SETTLED \
  (readyEpoch > 0 && readyEpoch == dbEpoch && PENDING == 0 && \
    (batches == BATCHES || (claimedTo == KEYS && !IS_MISSING(1) && !IS_MISSING(2))))
/* Nothing moves any more, and the shard is not in good hands. */
bool stuck;

hidden byte b;

/* producer/reign/reign.ts:#finish: everything in memory is gone. A worker that still has the lock gives it back. */
inline endReign() {
  if
  :: lockOwner == me -> lockOwner = NOBODY
  :: else -> skip
  fi;
  if
  :: phase == REIGNING && readyEpoch == epoch -> readyEpoch = 0
  :: else -> skip
  fi;
  phase = OUT; epoch = 0; czxid = 0; raised = false;
  lane = DETACHED; part = 0; from = 0;
  assigned = 0; known = 0; seen = 0; queue = 0; unmarked = 0; reading = 0;
  claim = IDLE; claimId = 0; claimKey = 0; claimSeq = 0; claimAgain = false; unresolved = false;
  adopting = IDLE; pending = 0; refillWaits = false; missing = 0
}

inline becomeReady() {
  phase = REIGNING;
  if
  :: epoch > readyEpoch -> readyEpoch = epoch
  :: else -> skip
  fi
}

/* producer/reign/delivery.ts:accept: in order of claims, each batch once; a batch is in hand with its part, or not at all. */
inline accept(b_) {
  if
  :: b_ > seen ->
    seen = b_;
    if
    :: b_ > known -> known = b_
    :: else -> skip
    fi;
    if
    :: batchSeq[b_] == 0 -> deliverElsewhere(b_); unmarked = unmarked | BIT(b_)
    :: else ->
      queue = queue | BIT(b_);
      if
      :: batchSeq[b_] > assigned -> assigned = batchSeq[b_]
      :: else -> skip
      fi
    fi
  :: else -> skip
  fi
}

/* db/keys-db/deliveries.ts:pendingBatches */
inline readPending() {
  pending = PENDING;
  adopting = READ
}

/* The head of the lane's queue. */
inline chooseHead() {
  part = 1;
  do
  :: (queue & BIT(part)) != 0 -> break
  :: else -> part++
  od
}

/* db/keys-db/claims.ts:refuseOther: what the statement will be, or why there is none. */
inline planClaim(key_, again_, aside_) {
  if
  :: dbEpoch != epoch -> endReign()
#ifndef NO_LOOK_AT_LOG
  :: dbEpoch == epoch && batches != known -> unresolved = true
#endif
  :: else ->
    if
    :: !aside_ && assigned + 1 <= lastSeq -> unresolved = true
    :: else ->
      claim = COMMITTING;
      claimId = batches + 1;
      claimKey = key_;
      claimAgain = again_;
      claimSeq = (aside_ -> 0 : assigned + 1);
      aside = aside + aside_
    fi
  fi;
  missing = 0
}

/* producer/reign/claimer.ts:#carry, or what follows a failure. */
inline claimed() {
  if
  :: answer == OK ->
    if
    :: claimSeq > assigned -> assigned = claimSeq
    :: else -> skip
    fi;
    if
    :: claimId > known -> known = claimId
    :: else -> skip
    fi;
    reading = reading | BIT(claimId);
    claim = IDLE; claimId = 0; claimKey = 0; claimSeq = 0; claimAgain = false
  :: answer == DUPLICATE -> giveUpClaim()
  :: answer == FENCED -> endReign()
  fi
}

inline giveUpClaim() {
  unresolved = true;
  claim = IDLE; claimId = 0; claimKey = 0; claimSeq = 0; claimAgain = false
}

inline laneFails() {
  lane = DETACHED;
  part = 0;
  from = 0
}

proctype Worker(byte me) {
  byte phase, epoch, czxid;
  bool raised;
  byte lane, part, from;
  byte assigned, known, seen, queue, unmarked, reading;
  byte claim, claimId, claimKey, claimSeq;
  bool claimAgain, unresolved;
  byte adopting, pending;
  bool refillWaits;
  byte missing;
end:
  do
  /* coordinator/lock.ts:tryAcquire, seen as one step: what counts is that czxids rise, and that two may believe they hold it */
  :: d_step { phase == OUT && lockOwner == NOBODY && czxids < REIGNS && (me == 1 || czxids > 0) ->
      czxids++; lockOwner = me; czxid = czxids; phase = RAISING }

  /* producer/reign/ownership.ts:raiseOnce; a Redis that does not answer is not asked */
  :: d_step { phase == RAISING -> raiseInKeysDb(czxid); phase = ASKING }
  :: d_step { phase == RAISING && MAY_CUT -> cut(RAISE_DB, 0, czxid, 0, 0, false) }
  :: d_step { phase == ASKING ->
      if
      :: dbCzxid != czxid -> endReign()
      :: else -> epoch = dbEpoch; phase = LIFTING
      fi }
  :: d_step { phase == LIFTING ->
      if
      :: epoch > redisEpoch -> phase = READING_LOG
      :: else -> raiseAbove(czxid, redisEpoch); phase = ASKING
      fi }

  :: d_step { phase == LIFTING && epoch <= redisEpoch -> phase = READING_LOG }

  /* producer/reign/reconcile.ts:reconcile */
  :: d_step { phase == READING_LOG ->
      assigned = lastSeq; known = batches;
#ifdef NO_RECONCILE
      becomeReady()
#else
      phase = RECONCILING
#endif
    }

  /* producer/reign/delivery.ts:adoptPending; a second caller waits for the first one's reading */
  :: d_step { phase == RECONCILING && adopting == IDLE -> readPending() }
  :: d_step { adopting == READ ->
      for (b : 1 .. BATCHES) {
        if
        :: (pending & BIT(b)) != 0 -> accept(b)
        :: else -> skip
        fi
      }
      pending = 0; adopting = IDLE;
      if
      :: lane == AT_GAP -> lane = ADOPTED
      :: else -> skip
      fi;
      if
      :: refillWaits -> refillWaits = false; unresolved = false
      :: else -> skip
      fi;
      if
      :: phase == RECONCILING -> becomeReady()
      :: else -> skip
      fi }

  /* producer/reign/delivery-queue.ts:attach */
  :: d_step { phase >= RECONCILING && lane == DETACHED ->
      if
      :: redisEpoch > epoch || (redisEpoch == epoch && !raised) -> endReign()
      :: else -> raised = true; lane = ANNOUNCING
      fi }
  :: d_step { lane == ANNOUNCING ->
      raiseInPool(epoch);
      if
      :: answer == FENCED -> endReign()
      :: else ->
        if
        :: redisSeq > assigned -> assigned = redisSeq
        :: else -> skip
        fi;
        lane = ATTACHED
      fi }
  :: d_step { lane == ANNOUNCING && MAY_CUT -> cut(RAISE_POOL, epoch, 0, 0, 0, false); laneFails() }

  /* producer/reign/delivery-queue.ts:deliver */
  :: d_step { phase == REIGNING && lane == ATTACHED && queue != 0 ->
      chooseHead();
      deliverToPool(epoch, part);
      if
      :: answer == FENCED -> endReign()
      :: answer == GAP -> lane = AT_GAP
      :: else -> queue = queue & ~BIT(part); unmarked = unmarked | BIT(part); part = 0
      fi }
  :: d_step { phase == REIGNING && lane == ATTACHED && queue != 0 && MAY_CUT ->
      chooseHead();
      cut(DELIVER, epoch, part, 0, 0, false);
      laneFails() }

  /* producer/reign/deliver-in-order.ts:closeGap */
  :: d_step { lane == AT_GAP && adopting == IDLE -> readPending() }
  :: d_step { lane == ADOPTED ->
      b = part;
      chooseHead();
      if
      :: b != part -> lane = ATTACHED; part = 0
      :: else ->
        from = redisSeq;
        if
        :: from >= batchSeq[part] - 1 -> lane = ATTACHED; part = 0; from = 0
        :: else -> lane = LOOKED
        fi
      fi }
#ifdef NO_LOSS_RECORDED
  :: d_step { lane == LOOKED -> lane = RECORDED }
#else
  :: d_step { lane == LOOKED ->
      recordInKeysDb(epoch, from, batchSeq[part] - 1);
      if
      :: answer == FENCED -> endReign()
      :: else -> lane = RECORDED
      fi }
  :: d_step { lane == LOOKED && MAY_CUT -> cut(LOSS, epoch, from, batchSeq[part] - 1, 0, false); laneFails() }
#endif
  :: d_step { lane == RECORDED ->
      skipInPool(epoch, from, batchSeq[part] - 1);
      if
      :: answer == OK -> lane = ATTACHED; part = 0; from = 0
      :: else -> laneFails()
      fi }
  :: d_step { lane == RECORDED && MAY_CUT -> cut(SKIP, epoch, from, batchSeq[part] - 1, 0, false); laneFails() }

  /* producer/reign/refill.ts:refill */
  :: d_step { phase == REIGNING && unresolved && reading == 0 && !refillWaits ->
      refillWaits = true;
      if
      :: adopting == IDLE -> readPending()
      :: else -> skip
      fi }
  :: d_step { MAY_CLAIM && lane == ATTACHED && claimedTo < KEYS -> planClaim(claimedTo + 1, false, false) }
  :: d_step { MAY_CLAIM && claimedTo < KEYS && aside < ASIDE -> planClaim(claimedTo + 1, false, true) }
  :: d_step { MAY_CLAIM && lane == ATTACHED && missing > 0 -> planClaim(missing, true, false) }
  :: d_step { MAY_CLAIM && missing > 0 && aside < ASIDE -> planClaim(missing, true, true) }
  /* The model runs out of keys, but pools always want some: the next claim's look at the log. */
  :: d_step { phase == REIGNING && claim == IDLE && !unresolved && LOG_HOLDS_MORE -> unresolved = true }
#ifdef NO_FOR_UPDATE
  :: d_step { claim == COMMITTING ->
      if
      :: dbEpoch == epoch -> claim = CHECKED
      :: else -> endReign()
      fi }
  :: d_step { claim == CHECKED -> claimInKeysDb(epoch, claimId, claimKey, claimSeq, claimAgain); claimed() }
#else
  :: d_step { claim == COMMITTING -> claimInKeysDb(epoch, claimId, claimKey, claimSeq, claimAgain); claimed() }
#endif
  :: d_step { claim == COMMITTING && MAY_CUT -> cut(CLAIM, epoch, claimId, claimKey, claimSeq, claimAgain) }
  :: d_step { claim == COMMITTING && MAY_CUT -> cut(CLAIM, epoch, claimId, claimKey, claimSeq, claimAgain); giveUpClaim() }

  /* producer/reign/batch-reader.ts:#readUntilDone */
  :: d_step { reading != 0 ->
      b = 1;
      do
      :: (reading & BIT(b)) != 0 -> break
      :: else -> b++
      od;
      reading = reading & ~BIT(b);
      accept(b) }

  /* producer/reign/delivery.ts:#markNext */
  :: d_step { unmarked != 0 ->
      b = 1;
      do
      :: (unmarked & BIT(b)) != 0 -> break
      :: else -> b++
      od;
      markInKeysDb(b);
      unmarked = unmarked & ~BIT(b) }
  :: d_step { unmarked != 0 && MAY_CUT ->
      b = 1;
      do
      :: (unmarked & BIT(b)) != 0 -> break
      :: else -> b++
      od;
      cut(MARK, 0, b, 0, 0, false) }

  /* db/audit/suspect-search.ts:run, seen as one step, as the quarantine allows; producer/reign/recycle.ts:recycle */
  :: d_step { phase == REIGNING && missing == 0 && claim == IDLE && batches < BATCHES && (IS_MISSING(1) || IS_MISSING(2)) ->
      missing = (IS_MISSING(1) -> 1 : 2) }

  /* It hears that its lock is gone; until then it goes on as if it were not. */
  :: d_step { phase != OUT && lockOwner != me -> endReign() }
  /* kill -9, or a release: the lock is free at once, and the worker contends again, or never comes back. */
  :: d_step { phase != OUT && lockOwner == me && czxids < REIGNS -> endReign() }
  :: d_step { phase != OUT && lockOwner == me && czxids < REIGNS && !oneIsGone -> oneIsGone = true; endReign() } -> break
  od
}

/* A mapper binds: the primary key of urls decides. */
inline bind() {
  if
#ifndef NO_PRIMARY_KEY
  :: (bound & BIT(batchKey[hand])) != 0 -> skip
#endif
  :: else ->
    must(boundTwice, (bound & BIT(batchKey[hand])) == 0);
    bound = bound | BIT(batchKey[hand])
  fi;
  hand = 0
}

/* Everything that happens to them. */
active proctype World() {
  do
  /* The session ends though its worker runs, or is stopped: the lock is free. */
  :: d_step { lockOwner != NOBODY && czxids < REIGNS -> lockOwner = NOBODY }
  :: d_step { wire != 0 -> arrive() }
  :: d_step { wire != 0 -> forget() }
  /* Redis saves itself; later it comes back with that, or empty. */
  :: d_step { copies < COPIES && redisSeq > 0 -> copies++; copyEpoch = redisEpoch; copySeq = redisSeq; copyReceived = received; copyPool = pool }
  :: d_step { restores < RESTORES && redisEpoch > 0 -> restores++; wasPutBack = true;
      redisEpoch = copyEpoch; redisSeq = copySeq; received = copyReceived; pool = copyPool }
  /* A mapper takes and binds, or dies with what it took. */
  :: d_step { pool != 0 && hand == 0 ->
      hand = 1;
      do
      :: (pool & BIT(hand)) != 0 -> break
      :: else -> hand++
      od;
      pool = pool & ~BIT(hand) }
  :: d_step { hand != 0 -> bind() }
  :: d_step { hand != 0 && deaths < DEATHS -> deaths++; hand = 0 }
  :: break
  od
#ifndef LIVENESS
  ;
  timeout -> must(stuck, SETTLED)
#endif
}

init {
  atomic { run Worker(1); run Worker(2) }
}

#ifdef LIVENESS
/* Whatever happened: in the end a worker reigns under the newest epoch, all that was claimed is delivered, and nothing is missing. */
ltl takeover { [] <> (SETTLED) }
#endif
