import { expect } from 'chai';
import { createEnsembleId, readEnsembleId } from '../../coordinator/ensemble.ts';
import { join, readMembers, watchMembers } from '../../coordinator/membership.ts';
import { PATHS, producerPath } from '../../coordinator/paths.ts';
import type { Session } from '../../coordinator/session.ts';
import { until } from '../until.ts';
import { Harness, reattached } from './harness.ts';

interface Member {
  id: string;
  note?: string;
}

function parseMember(json: unknown): Member | undefined {
  return typeof json === 'object' && json !== null && 'id' in json ? (json as Member) : undefined;
}

describe('membership', () => {
  let harness: Harness;
  let session: Session;
  let witness: Session;

  beforeEach(async () => {
    harness = await Harness.start();
    session = await harness.open();
    witness = await harness.openDirect();
  });
  afterEach(async () => {
    await harness.stop();
  });

  async function noteOf(id: string): Promise<string | undefined> {
    return (await readMembers(witness, PATHS.producers, parseMember)).members.get(id)?.note;
  }

  it('members are seen, with their latest data, until they leave', async () => {
    const seen: [string, string | undefined][][] = [];
    watchMembers(witness, PATHS.producers, parseMember, (members) => {
      seen.push([...members].map(([name, { note }]) => [name, note]));
    });
    const member = join(session, producerPath('producer-1'), { id: 'producer-1', note: 'a' });
    await member.joined;
    await until('a', () => seen.at(-1)?.[0]?.[1] === 'a');
    member.update({ id: 'producer-1', note: 'b' });
    member.update({ id: 'producer-1', note: 'c' });
    await until('c', () => seen.at(-1)?.[0]?.[1] === 'c');
    await member.leave();
    await until('no member', () => seen.at(-1)?.length === 0);
  });

  it('waits until the node of a dead predecessor with the same id is gone, and joins immediately after that', async () => {
    const predecessor = await harness.openDirect();
    await join(predecessor, producerPath('producer-1'), { id: 'producer-1', note: 'old' }).joined;
    const member = join(session, producerPath('producer-1'), { id: 'producer-1', note: 'new' });
    const first = await Promise.race([
      member.joined.then(() => 'joined'),
      session.get('/').then(() => 'an answer'),
    ]);
    expect(first).to.equal('an answer');
    expect(await noteOf('producer-1')).to.equal('old');
    await predecessor.close();
    await member.joined;
    expect(await noteOf('producer-1')).to.equal('new');
  });

  it('restores its node after it was deleted or overwritten', async () => {
    const member = join(session, producerPath('producer-1'), { id: 'producer-1', note: 'mine' });
    await member.joined;
    await witness.set(producerPath('producer-1'), 'garbage', -1);
    await until('mine', async () => (await noteOf('producer-1')) === 'mine');
    await witness.remove(producerPath('producer-1'), -1);
    await until('mine again', async () => (await noteOf('producer-1')) === 'mine');
  });

  it('writes an update that was made while it was cut off after the reconnect', async () => {
    const member = join(session, producerPath('producer-1'), { id: 'producer-1', note: 'a' });
    await member.joined;
    harness.each((proxy) => proxy.silence());
    await until('suspended', () => !session.mayWrite());
    member.update({ id: 'producer-1', note: 'b' });
    const { attachments } = session;
    harness.each((proxy) => proxy.heal());
    await reattached(session, attachments);
    await until('b', async () => (await noteOf('producer-1')) === 'b');
  });

  it('names garbage among the members as foreign, and works on', async () => {
    await join(session, producerPath('producer-1'), { id: 'producer-1' }).joined;
    for (const [index, data] of ['', 'x', '[1]', 'null', '{"id":'].entries())
      await witness.create(producerPath(`garbage-${index}`), data, { ephemeral: true });
    const { members, foreign } = await readMembers(witness, PATHS.producers, parseMember);
    expect([...members.keys()]).to.deep.equal(['producer-1']);
    expect(foreign).to.deep.equal(['garbage-0', 'garbage-1', 'garbage-2', 'garbage-3', 'garbage-4']);
  });

  it('stops waiting to join when the session ends, and when it leaves', async () => {
    const path = producerPath('producer-1');
    await join(witness, path, { id: 'other' }).joined;
    const member = join(session, path, { id: 'producer-1' });
    await member.leave();
    expect(await member.joined.catch(() => 'given up')).to.equal('given up');
    const other = join(session, path, { id: 'producer-1' });
    await session.close();
    expect(await other.joined.catch(() => 'given up')).to.equal('given up');
    expect((await readMembers(witness, PATHS.producers, parseMember)).members.get('producer-1')?.id).to.equal(
      'other',
    );
  });
});

describe('ensemble id', () => {
  let harness: Harness;

  beforeEach(async () => {
    harness = await Harness.start();
  });
  afterEach(async () => {
    await harness.stop();
  });

  it('is absent on a new ensemble, and the same for all sessions that create it at the same time', async () => {
    const sessions = await Promise.all([1, 2, 3].map(async () => harness.openDirect()));
    const [first] = sessions;
    if (first === undefined) throw new Error('no session');
    expect(await readEnsembleId(first)).to.equal(undefined);
    const ids = await Promise.all(sessions.map(async (session) => createEnsembleId(session)));
    expect(new Set(ids).size).to.equal(1);
    expect(await readEnsembleId(first)).to.equal(ids[0]);
    expect(await createEnsembleId(first)).to.equal(ids[0]);
  });
});
