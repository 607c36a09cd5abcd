/*
 * The hand-off of one keys-db between two workers: claim, deliver, takeover, and a Redis that returns with
 * old data.
 *
 * stores.pml models the stores. A worker takes the steps of a reign in any order that the code allows. A
 * step is one operation on one store, or the work in memory up to the next operation. A worker may go on
 * after its lock is gone. This models a paused worker, which may wake at any moment. World, at the end,
 * holds the faults, bounded in number.
 *
 * README.md lists the function that each step models, and what the model leaves out.
 */

/* Bounds. Each check of the test sets its own. */
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
#define CUTS 0 /* operations without an answer, carried out later or never */
#endif
#ifndef ASIDE
#define ASIDE 0 /* claims for another pool */
#endif
#ifndef COPIES
#define COPIES 0 /* snapshots taken of Redis */
#endif
#ifndef RESTORES
#define RESTORES 0 /* times Redis returns with its snapshot, or empty without one */
#endif
#ifndef DEATHS
#define DEATHS 0 /* mappers that die with a key in hand */
#endif

#include "stores.pml"

/* The phases of a worker. */
#define OUT 0
#define RAISING 1
#define ASKING 2
#define LIFTING 3
#define READING_LOG 4
#define RECONCILING 5
#define REIGNING 6

/* The states of its delivery queue. */
#define DETACHED 0
#define ANNOUNCING 1
#define ATTACHED 2
#define AT_GAP 3
#define ADOPTED 4
#define LOOKED 5
#define RECORDED 6

/* The states of its claim, and of its reading of pending batches. */
#define IDLE 0
#define COMMITTING 1
#define CHECKED 2
#define READ 1

byte aside, copies, restores, deaths;
bool oneIsGone;
/* Epoch of the newest reconciled reign. */
byte readyEpoch;

#define MAY_CLAIM (phase == REIGNING && claim == IDLE && !unresolved && batches < BATCHES)

#ifdef NO_LOOK_AT_LOG
#define LOG_HOLDS_MORE (assigned + 1 <= lastSeq)
#else
#define LOG_HOLDS_MORE (batches != known)
#endif

#define QUIESCED \
  (readyEpoch > 0 && readyEpoch == dbEpoch && PENDING == 0 && \
    (batches == BATCHES || (claimedTo == KEYS && !IS_MISSING(1) && !IS_MISSING(2))))
/* No step is possible, and the shard has not quiesced. */
bool stuck;

hidden byte b;

/* The worker loses everything in memory. If it still has the lock, it gives it back. */
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
  delivery = DETACHED; part = 0; from = 0;
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

/* Batches are accepted in the order of their claims, each once, and each with its part. */
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

inline readPending() {
  pending = PENDING;
  adopting = READ
}

/* The head of the delivery queue. */
inline chooseHead() {
  part = 1;
  do
  :: (queue & BIT(part)) != 0 -> break
  :: else -> part++
  od
}

/* Prepares the statement of a claim, or finds the reason why there is none. */
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

/* What follows a claim: its batch is read, or the claim has failed. */
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

inline deliveryFails() {
  delivery = DETACHED;
  part = 0;
  from = 0
}

proctype Worker(byte me) {
  byte phase, epoch, czxid;
  bool raised;
  byte delivery, part, from;
  byte assigned, known, seen, queue, unmarked, reading;
  byte claim, claimId, claimKey, claimSeq;
  bool claimAgain, unresolved;
  byte adopting, pending;
  bool refillWaits;
  byte missing;
end:
  do
  /* Step acquire. It matters only that czxids rise, and that two workers may both act as holder. */
  :: d_step { phase == OUT && lockOwner == NOBODY && czxids < REIGNS && (me == 1 || czxids > 0) ->
      czxids++; lockOwner = me; czxid = czxids; phase = RAISING }

  /* Step own. It skips a Redis that does not answer. */
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

  /* Step reconcile. */
  :: d_step { phase == READING_LOG ->
      assigned = lastSeq; known = batches;
#ifdef NO_RECONCILE
      becomeReady()
#else
      phase = RECONCILING
#endif
    }

  /* Step adopt. A second caller waits for the reading of the first. */
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
      :: delivery == AT_GAP -> delivery = ADOPTED
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

  /* Step attach. */
  :: d_step { phase >= RECONCILING && delivery == DETACHED ->
      if
      :: redisEpoch > epoch || (redisEpoch == epoch && !raised) -> endReign()
      :: else -> raised = true; delivery = ANNOUNCING
      fi }
  :: d_step { delivery == ANNOUNCING ->
      raiseInPool(epoch);
      if
      :: answer == FENCED -> endReign()
      :: else ->
        if
        :: redisSeq > assigned -> assigned = redisSeq
        :: else -> skip
        fi;
        delivery = ATTACHED
      fi }
  :: d_step { delivery == ANNOUNCING && MAY_CUT -> cut(RAISE_POOL, epoch, 0, 0, 0, false); deliveryFails() }

  /* Step deliver. */
  :: d_step { phase == REIGNING && delivery == ATTACHED && queue != 0 ->
      chooseHead();
      deliverToPool(epoch, part);
      if
      :: answer == FENCED -> endReign()
      :: answer == GAP -> delivery = AT_GAP
      :: else -> queue = queue & ~BIT(part); unmarked = unmarked | BIT(part); part = 0
      fi }
  :: d_step { phase == REIGNING && delivery == ATTACHED && queue != 0 && MAY_CUT ->
      chooseHead();
      cut(DELIVER, epoch, part, 0, 0, false);
      deliveryFails() }

  /* Step closeGap. */
  :: d_step { delivery == AT_GAP && adopting == IDLE -> readPending() }
  :: d_step { delivery == ADOPTED ->
      b = part;
      chooseHead();
      if
      :: b != part -> delivery = ATTACHED; part = 0
      :: else ->
        from = redisSeq;
        if
        :: from >= batchSeq[part] - 1 -> delivery = ATTACHED; part = 0; from = 0
        :: else -> delivery = LOOKED
        fi
      fi }
#ifdef NO_LOSS_RECORDED
  :: d_step { delivery == LOOKED -> delivery = RECORDED }
#else
  :: d_step { delivery == LOOKED ->
      recordInKeysDb(epoch, from, batchSeq[part] - 1);
      if
      :: answer == FENCED -> endReign()
      :: else -> delivery = RECORDED
      fi }
  :: d_step { delivery == LOOKED && MAY_CUT ->
      cut(LOSS, epoch, from, batchSeq[part] - 1, 0, false); deliveryFails() }
#endif
  :: d_step { delivery == RECORDED ->
      skipInPool(epoch, from, batchSeq[part] - 1);
      if
      :: answer == OK -> delivery = ATTACHED; part = 0; from = 0
      :: else -> deliveryFails()
      fi }
  :: d_step { delivery == RECORDED && MAY_CUT ->
      cut(SKIP, epoch, from, batchSeq[part] - 1, 0, false); deliveryFails() }

  /* Step refill. */
  :: d_step { phase == REIGNING && unresolved && reading == 0 && !refillWaits ->
      refillWaits = true;
      if
      :: adopting == IDLE -> readPending()
      :: else -> skip
      fi }
  :: d_step { MAY_CLAIM && delivery == ATTACHED && claimedTo < KEYS ->
      planClaim(claimedTo + 1, false, false) }
  :: d_step { MAY_CLAIM && claimedTo < KEYS && aside < ASIDE -> planClaim(claimedTo + 1, false, true) }
  :: d_step { MAY_CLAIM && delivery == ATTACHED && missing > 0 -> planClaim(missing, true, false) }
  :: d_step { MAY_CLAIM && missing > 0 && aside < ASIDE -> planClaim(missing, true, true) }
  /* The model runs out of keys, but real pools need more: the next claim would look at the log now. */
  :: d_step { phase == REIGNING && claim == IDLE && !unresolved && LOG_HOLDS_MORE -> unresolved = true }
#ifdef NO_FOR_UPDATE
  :: d_step { claim == COMMITTING ->
      if
      :: dbEpoch == epoch -> claim = CHECKED
      :: else -> endReign()
      fi }
  :: d_step { claim == CHECKED -> claimInKeysDb(epoch, claimId, claimKey, claimSeq, claimAgain); claimed() }
#else
  :: d_step { claim == COMMITTING ->
      claimInKeysDb(epoch, claimId, claimKey, claimSeq, claimAgain); claimed() }
#endif
  :: d_step { claim == COMMITTING && MAY_CUT -> cut(CLAIM, epoch, claimId, claimKey, claimSeq, claimAgain) }
  :: d_step { claim == COMMITTING && MAY_CUT ->
      cut(CLAIM, epoch, claimId, claimKey, claimSeq, claimAgain); giveUpClaim() }

  /* Step readBatch. */
  :: d_step { reading != 0 ->
      b = 1;
      do
      :: (reading & BIT(b)) != 0 -> break
      :: else -> b++
      od;
      reading = reading & ~BIT(b);
      accept(b) }

  /* Step mark. */
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

  /* Step findMissing. One step, because the quarantine excludes the keys that a longer search could miss. */
  :: d_step { phase == REIGNING && missing == 0 && claim == IDLE && batches < BATCHES &&
      (IS_MISSING(1) || IS_MISSING(2)) ->
      missing = (IS_MISSING(1) -> 1 : 2) }

  /* The worker learns that its lock is gone. Until then it goes on as holder. */
  :: d_step { phase != OUT && lockOwner != me -> endReign() }
  /* kill -9, or a release: the lock is free immediately. The worker contends again, or never returns. */
  :: d_step { phase != OUT && lockOwner == me && czxids < REIGNS -> endReign() }
  :: d_step { phase != OUT && lockOwner == me && czxids < REIGNS && !oneIsGone ->
      oneIsGone = true; endReign() } -> break
  od
}

/* A mapper binds a key. The primary key of urls decides. */
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

/* The faults, and the mapper. */
active proctype World() {
  do
  /* A session ends although its worker runs or is stopped: the lock is free. */
  :: d_step { lockOwner != NOBODY && czxids < REIGNS -> lockOwner = NOBODY }
  :: d_step { wire != 0 -> arrive() }
  :: d_step { wire != 0 -> forget() }
  /* Redis saves a snapshot; later it returns with the snapshot, or empty. */
  :: d_step { copies < COPIES && redisSeq > 0 ->
      copies++; copyEpoch = redisEpoch; copySeq = redisSeq;
      copyReceived = received; copyPool = pool }
  :: d_step { restores < RESTORES && redisEpoch > 0 -> restores++; wasPutBack = true;
      redisEpoch = copyEpoch; redisSeq = copySeq; received = copyReceived; pool = copyPool }
  /* A mapper takes a key and binds it, or dies with it. */
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
  timeout -> must(stuck, QUIESCED)
#endif
}

init {
  atomic { run Worker(1); run Worker(2) }
}

#ifdef LIVENESS
/*
 * After any faults, a worker finally reigns under the newest epoch, every claim is delivered, and no key is
 * missing.
 */
ltl takeover { [] <> (QUIESCED) }
#endif
