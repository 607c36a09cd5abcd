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
});
