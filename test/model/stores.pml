/*
 * The stores of the hand-off: one keys-db, one pool, the lock, and the wire to them.
 *
 * Every operation is one indivisible step, like the statement in autocommit or the Lua script that it
 * models. It is written once and executed either by the worker that sent it, or later by the wire. In the
 * second case the worker has no answer and goes on as after OutcomeUnknownError.
 */

#define BIT(n) (1 << (n))

/* Checks a property. If it is broken, pan reports "assertion violated !(name)". */
#define must(name, condition) \
  if \
  :: (condition) -> skip \
  :: else -> name = true; assert(!(name)) \
  fi

/* A claim by a reign that is over. */
bool staleClaim;
/* A key issued a second time as unused, or again while an earlier claim of it may still be delivered. */
bool claimedTwice;
/* Delivery numbers with a hole, or used twice. */
bool wrongNumber;
/* A delivery or a skip accepted from a reign older than the epoch stored in this Redis. */
bool staleDelivery;
/* A part added twice to the same data of a pool. */
bool deliveredTwice;
/* Old data never returned, yet a key was delivered while it was in a pool, held by a mapper, or bound. */
bool heldTwice;
/* The pool's number passed a part that is not in its data, and no loss is recorded. */
bool silentLoss;
/* A loss recorded for a part that no pool ever had. */
bool lossOfUnsent;
/* A part marked as delivered that no pool ever had. */
bool markedUnsent;
/* A key bound to two links. */
bool boundTwice;

/* --- ZooKeeper: the owner of the lock, and the number of locks so far (czxid) --------------------------- */

#define NOBODY 0
byte lockOwner, czxids;

/* --- keys-db -------------------------------------------------------------------------------------------- */

byte dbEpoch, dbCzxid;
/* The log of claims: rows 1 to `batches`, one key each, for this pool (seq > 0) or another (seq 0). */
byte batches, claimedTo, lastSeq;
byte batchKey[5], batchSeq[5], batchEpoch[5];
/* Sets of batches. */
byte completed, lost;

#define CLAIMED (BIT(batches + 1) - 2)
#define PENDING (CLAIMED & ~completed)

/* --- Redis: the pool's data, and the copy that may be put back ------------------------------------------ */

byte redisEpoch, redisSeq;
/* Sets of batches: all that this data received, and those not yet taken. */
byte received, pool;
byte copyEpoch, copySeq, copyReceived, copyPool;
bool wasPutBack;

/* --- elsewhere: the other pools, the mapper's hand (a batch), the urls servers (a set of keys) ---------- */

byte otherPools, hand, bound;
/* Parts that any data of a pool ever had. They count as delivered even if the pool loses its data. */
byte sent;

#define HOLDS(b, key) \
  (batchKey[b] == key && ((((pool | otherPools) & BIT(b)) != 0) || hand == b))
#define IN_CIRCULATION(key) \
  (HOLDS(1, key) || HOLDS(2, key) || HOLDS(3, key) || HOLDS(4, key) || (bound & BIT(key)) != 0)
#define WAITS(b, key) (batchKey[b] == key && (PENDING & BIT(b)) != 0)
#define IS_PENDING(key) (WAITS(1, key) || WAITS(2, key) || WAITS(3, key) || WAITS(4, key))
#define IS_MISSING(key) ((key) <= claimedTo && !IS_PENDING(key) && !IN_CIRCULATION(key))

#define HOLE(b) \
  (batchSeq[b] > 0 && batchSeq[b] <= redisSeq && ((received | lost) & BIT(b)) == 0)

/* --- answers -------------------------------------------------------------------------------------------- */

#define OK 1
#define FENCED 2
#define DUPLICATE 3
#define GAP 4
#define MOVED 5
hidden byte answer;
hidden byte i;

/* UPDATE ownership … WHERE czxid < ? */
inline raiseInKeysDb(czxid_) {
  if
#ifdef NO_CZXID_IN_RAISE
  :: dbCzxid != czxid_ -> dbEpoch++; dbCzxid = czxid_
#else
  :: dbCzxid < czxid_ -> dbEpoch++; dbCzxid = czxid_
#endif
  :: else -> skip
  fi
}

/* UPDATE ownership … WHERE czxid = ? AND epoch <= ? */
inline raiseAbove(czxid_, floor_) {
  if
  :: dbCzxid == czxid_ && dbEpoch <= floor_ -> dbEpoch = floor_ + 1
  :: else -> skip
  fi
}

/*
 * INSERT INTO batches … SELECT … FROM ownership WHERE epoch = ? FOR UPDATE. When the row's number is taken,
 * the answer follows from the row that has it.
 */
inline claimInKeysDb(epoch_, id_, key_, seq_, again_) {
  if
#if !defined(NO_EPOCH_IN_CLAIM) && !defined(NO_FOR_UPDATE)
  :: epoch_ != dbEpoch -> answer = FENCED
#endif
  :: id_ <= batches ->
    if
    :: batchEpoch[id_] > epoch_ -> answer = FENCED
    :: batchEpoch[id_] == epoch_ && batchKey[id_] == key_ && batchSeq[id_] == seq_ -> answer = OK
    :: else -> answer = DUPLICATE
    fi
  :: else ->
    must(staleClaim, epoch_ == dbEpoch);
    must(claimedTwice,
      (!again_ && key_ == claimedTo + 1) || (again_ && key_ <= claimedTo && !IS_PENDING(key_)));
    must(wrongNumber, id_ == batches + 1 && (seq_ == 0 || seq_ == lastSeq + 1));
    batches = id_;
    batchKey[id_] = key_;
    batchSeq[id_] = seq_;
    batchEpoch[id_] = epoch_;
    if
    :: seq_ > 0 -> lastSeq = seq_
    :: else -> skip
    fi;
    if
    :: key_ > claimedTo -> claimedTo = key_
    :: else -> skip
    fi;
    answer = OK
  fi
}

/* INSERT INTO losses … FROM ownership WHERE epoch = ? FOR UPDATE */
inline recordInKeysDb(epoch_, from_, to_) {
  if
  :: epoch_ != dbEpoch -> answer = FENCED
  :: else ->
    for (i : 1 .. BATCHES) {
      if
      :: batchSeq[i] > from_ && batchSeq[i] <= to_ ->
        must(lossOfUnsent, (sent & BIT(i)) != 0);
        lost = lost | BIT(i)
      :: else -> skip
      fi
    }
    answer = OK
  fi
}

/* UPDATE batches SET … completed_at. Not bound to an epoch. */
inline markInKeysDb(id_) {
  must(markedUnsent, ((sent | lost) & BIT(id_)) != 0);
  completed = completed | BIT(id_)
}

inline raiseInPool(epoch_) {
  if
  :: epoch_ < redisEpoch -> answer = FENCED
  :: else -> redisEpoch = epoch_; answer = OK
  fi
}

inline deliverToPool(epoch_, id_) {
  if
#ifndef NO_EPOCH_IN_DELIVER
  :: epoch_ < redisEpoch -> answer = FENCED
#endif
#ifndef NO_DUPLICATE_IN_DELIVER
  :: batchSeq[id_] <= redisSeq -> answer = DUPLICATE
#endif
#ifndef NO_GAP_IN_DELIVER
  :: batchSeq[id_] > redisSeq + 1 -> answer = GAP
#endif
  :: else ->
    must(staleDelivery, epoch_ >= redisEpoch);
    must(deliveredTwice, (received & BIT(id_)) == 0);
    must(heldTwice, wasPutBack || !IN_CIRCULATION(batchKey[id_]));
    received = received | BIT(id_);
    pool = pool | BIT(id_);
    sent = sent | BIT(id_);
    redisEpoch = epoch_;
    redisSeq = batchSeq[id_];
    must(silentLoss, !(HOLE(1) || HOLE(2) || HOLE(3) || HOLE(4)));
    answer = OK
  fi
}

inline skipInPool(epoch_, from_, to_) {
  if
  :: epoch_ < redisEpoch -> answer = FENCED
#ifndef NO_SEQ_IN_SKIP
  :: epoch_ >= redisEpoch && redisSeq != from_ -> answer = MOVED
#endif
  :: else ->
    must(staleDelivery, epoch_ >= redisEpoch);
    redisEpoch = epoch_;
    redisSeq = to_;
    must(silentLoss, !(HOLE(1) || HOLE(2) || HOLE(3) || HOLE(4)));
    answer = OK
  fi
}

/* A part for another pool. That pool loses no data; only the place of the part in the log matters here. */
inline deliverElsewhere(id_) {
  must(heldTwice, wasPutBack || (sent & BIT(id_)) != 0 || !IN_CIRCULATION(batchKey[id_]));
  if
  :: (sent & BIT(id_)) == 0 -> otherPools = otherPools | BIT(id_)
  :: else -> skip
  fi;
  sent = sent | BIT(id_)
}

/* --- the wire: one operation whose sender gave up, carried out at any later time or never --------------- */

#define RAISE_DB 1
#define CLAIM 2
#define LOSS 3
#define MARK 4
#define RAISE_POOL 5
#define DELIVER 6
#define SKIP 7
byte wire, wireEpoch, wireA, wireB, wireC;
bool wireD;
byte cuts;

#define MAY_CUT (wire == 0 && cuts < CUTS)

inline cut(kind_, epoch_, a_, b_, c_, d_) {
  cuts++;
  wire = kind_;
  wireEpoch = epoch_;
  wireA = a_;
  wireB = b_;
  wireC = c_;
  wireD = d_
}

inline arrive() {
  if
  :: wire == RAISE_DB -> raiseInKeysDb(wireA)
  :: wire == CLAIM -> claimInKeysDb(wireEpoch, wireA, wireB, wireC, wireD)
  :: wire == LOSS -> recordInKeysDb(wireEpoch, wireA, wireB)
  :: wire == MARK -> markInKeysDb(wireA)
  :: wire == RAISE_POOL -> raiseInPool(wireEpoch)
  :: wire == DELIVER -> deliverToPool(wireEpoch, wireA)
  :: wire == SKIP -> skipInPool(wireEpoch, wireA, wireB)
  fi;
  forget()
}

inline forget() {
  wire = 0;
  wireEpoch = 0;
  wireA = 0;
  wireB = 0;
  wireC = 0;
  wireD = false
}
