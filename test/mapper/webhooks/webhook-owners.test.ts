import { expect } from 'chai';
import { formatWebhookAnnouncement, WebhookOwners } from '../../../mapper/webhooks/webhook-owners.ts';

/** Owners read from `stored`, by a clock that the test sets. */
function create(stored: { users: bigint[] | 'same' | undefined | Error }): {
  owners: WebhookOwners;
  at: (ms: number) => void;
} {
  let nowMs = 0;
  const owners = new WebhookOwners({
    read: async () => {
      if (stored.users instanceof Error) throw stored.users;
      return stored.users;
    },
    now: () => nowMs,
  });
  return { owners, at: (ms) => (nowMs = ms) };
}

describe('which owners have webhooks', () => {
  it('may be anybody until it was read', () => {
    expect(create({ users: [] }).owners.mayHave(1n)).to.equal(true);
  });

  it('are those that were read', async () => {
    const { owners } = create({ users: [1n] });
    await owners.poll();
    expect([1n, 2n].map((id) => owners.mayHave(id))).to.deep.equal([true, false]);
    expect(owners.mayBeAny).to.equal(true);
  });

  it('may be anybody when there are too many to remember', async () => {
    const { owners } = create({ users: undefined });
    await owners.poll();
    expect(owners.mayHave(2n)).to.equal(true);
  });

  it('stay for five seconds while the store is away, then may be anybody', async () => {
    const stored: Parameters<typeof create>[0] = { users: [1n] };
    const { owners, at } = create(stored);
    await owners.poll();
    stored.users = new Error('away');
    at(5_000);
    await owners.poll();
    expect(owners.mayHave(2n)).to.equal(false);
    at(5_001);
    expect(owners.mayHave(2n)).to.equal(true);
  });

  it('are remembered, for what goes on all the time, and nobody is before they were ever read', async () => {
    const stored: Parameters<typeof create>[0] = { users: new Error('away') };
    const { owners, at } = create(stored);
    await owners.poll();
    expect(owners.hadAny(1n)).to.equal(false);
    stored.users = [1n];
    await owners.poll();
    at(3_600_000);
    expect([1n, 2n].map((id) => owners.hadAny(id))).to.deep.equal([true, false]);
    owners.add(2n);
    expect(owners.hadAny(2n)).to.equal(true);
    stored.users = undefined;
    await owners.poll();
    expect(owners.hadAny(3n), 'too many to remember').to.equal(true);
  });

  it('have one that was announced while a read was under way, until a later read has seen it', async () => {
    const stored: Parameters<typeof create>[0] = { users: [] };
    const { owners, at } = create(stored);
    at(10);
    const reading = owners.poll();
    at(11);
    expect(owners.hear(formatWebhookAnnouncement(7n))).to.equal(true);
    await reading;
    expect([owners.mayHave(7n), owners.mayBeAny]).to.deep.equal([true, true]);
    at(12);
    await owners.poll();
    expect([owners.mayHave(7n), owners.mayBeAny]).to.deep.equal([false, false]);
  });

  it('stay, and are up to date, when nothing has changed; so do those that were announced', async () => {
    const stored: Parameters<typeof create>[0] = { users: [1n] };
    const { owners, at } = create(stored);
    await owners.poll();
    stored.users = 'same';
    at(5_000);
    owners.add(2n);
    at(8_000);
    await owners.poll();
    at(12_000);
    expect([1n, 2n, 3n].map((id) => owners.mayHave(id))).to.deep.equal([true, true, false]);
  });

  it('leave announcements of links alone', () => {
    const { owners } = create({ users: [] });
    expect(owners.hear('abcdefgh')).to.equal(false);
    expect(owners.hear('!webhooks nobody')).to.equal(true);
  });
});
