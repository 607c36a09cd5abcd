import { expect } from 'chai';
import { CoordinationError } from '../../coordinator/errors.ts';
import { ReopeningSession } from '../../drills/cluster/reopening-session.ts';
import { FaultyProxy } from '../../drills/proxy/proxy.ts';
import { rejection } from '../db/rejection.ts';
import { testZooKeeper } from '../servers.ts';
import { until } from '../until.ts';

describe('the session of a drill', function () {
  this.timeout(60_000);

  it('reads when it is connected again, and throws what is said about a node', async () => {
    const { connect } = await testZooKeeper();
    const [, host = '', port, chroot = ''] = /^([^:]+):(\d+)[^/]*(.*)$/.exec(connect) ?? [];
    await using proxy = await FaultyProxy.start({ host, port: Number(port) });
    const session = await ReopeningSession.open({ connect: `127.0.0.1:${proxy.port}${chroot}` });
    try {
      proxy.silence();
      await until('no connection', () => session.current.state !== 'connected');
      expect(await rejection(session.current.get('/'))).to.have.property('code', 'NOT_CONNECTED');
      const reading = session.read(async (current) => current.get('/'));
      proxy.heal();
      expect(await reading).to.have.property('data');
      const refused = new CoordinationError('NO_AUTH', 'not ours');
      expect(await rejection(session.read(async () => Promise.reject(refused)))).to.equal(refused);
    } finally {
      await session.close();
    }
  });
});
