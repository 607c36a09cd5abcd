import { expect } from 'chai';
import { Lanes, LANES, type GiveBack, type Receiver } from '../../../mapper/webhooks/lanes.ts';

function receiver(id: number, userId = BigInt(id), isFailing = false): Receiver {
  return { id: `webhook-${id}`, userId, isFailing };
}

/** Takes all places that a receiver may have now. */
function takeAll(lanes: Lanes, one: Receiver): GiveBack[] {
  return Array.from({ length: lanes.free(one) }, () => lanes.take(one));
}

describe('the places of deliveries', () => {
  let nowMs = 0;

  it('are one for a receiver that nobody knows, and more when it has answered well', () => {
    const lanes = new Lanes(() => nowMs);
    const [first, ...others] = takeAll(lanes, receiver(1));
    expect(others).to.deep.equal([]);
    first?.(true);
    expect(takeAll(lanes, receiver(1))).to.have.length(LANES.good.ofWebhook);
  });

  it('are one again when it fails, after a pause, however many are under way', () => {
    const lanes = new Lanes(() => nowMs);
    lanes.take(receiver(1))(true);
    const taken = takeAll(lanes, receiver(1));
    taken.pop()?.(false);
    expect(lanes.free(receiver(1))).to.equal(0);
    for (const giveBack of taken) giveBack(false);
    expect(lanes.free(receiver(1))).to.equal(0);
    nowMs += 1_000;
    expect([lanes.free(receiver(1)), lanes.size]).to.deep.equal([1, 0]);
  });

  it('are bounded for a user with many webhooks', () => {
    const lanes = new Lanes(() => nowMs);
    const taken = Array.from({ length: 20 }, (_, id) => takeAll(lanes, receiver(id, 7n))).flat();
    expect(taken).to.have.length(LANES.unknown.ofUser);
    expect(lanes.free(receiver(99, 8n))).to.equal(1);
  });

  it('are others for good, unknown and bad receivers', () => {
    const lanes = new Lanes(() => nowMs);
    lanes.take(receiver(1))(true);
    for (let id = 100; id < 300; id += 1) takeAll(lanes, receiver(id));
    expect(lanes.size).to.equal(LANES.unknown.all);
    for (let id = 300; id < 500; id += 1) takeAll(lanes, receiver(id, BigInt(id), true));
    expect(lanes.size).to.equal(LANES.unknown.all + LANES.bad.all);
    expect([lanes.free(receiver(2)), lanes.free(receiver(1))]).to.deep.equal([0, LANES.good.ofWebhook]);
  });

  it('need no memory for receivers without deliveries', () => {
    const lanes = new Lanes(() => nowMs);
    for (let id = 0; id < 20_000; id += 1) lanes.take(receiver(id))(true);
    expect([lanes.size, lanes.free(receiver(1)), lanes.free(receiver(19_999))]).to.deep.equal([
      0,
      1,
      LANES.good.ofWebhook,
    ]);
  });

  it('are for those first whose last place is longest ago', () => {
    const lanes = new Lanes(() => nowMs);
    const all = ['webhook-1', 'webhook-2', 'webhook-3'];
    expect(lanes.inTurn(all)).to.deep.equal(all);
    lanes.take(receiver(1));
    lanes.take(receiver(2));
    expect(lanes.inTurn(all)).to.deep.equal(['webhook-3', 'webhook-1', 'webhook-2']);
    lanes.take(receiver(1))(false);
    expect(lanes.inTurn(all)).to.deep.equal(['webhook-3', 'webhook-2', 'webhook-1']);
  });

  it('come round to each of many that hang', () => {
    const lanes = new Lanes(() => nowMs);
    const hanging = Array.from({ length: 150 }, (_, id) => receiver(id, BigInt(id), true));
    const byId = new Map(hanging.map((one) => [one.id, one]));
    const served = new Set<string>();
    for (let round = 0; round < 3; round += 1) {
      const taken: GiveBack[] = [];
      for (const id of lanes.inTurn([...byId.keys()])) {
        const begun = takeAll(lanes, byId.get(id) ?? expect.fail());
        if (begun.length > 0) served.add(id);
        taken.push(...begun);
      }
      // Each round is over when their deadline is, and the pause too.
      for (const giveBack of taken) giveBack(false);
      nowMs += 11_000;
    }
    expect(served.size).to.equal(150);
  });
});
