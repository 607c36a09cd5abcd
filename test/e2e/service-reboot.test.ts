import { expect } from 'chai';
import { IS_LONG } from '../long.ts';
import { until } from '../until.ts';
import { CLONE, SystemdMachine } from './systemd-machine.ts';

/* Makes a machine of Debian's packages, which takes minutes: ./scripts/test --long service-reboot */

if (IS_LONG)
  describe('keymill service on a machine with systemd', function () {
    this.timeout(600_000);
    let machine: SystemdMachine;
    const PATIENCE = { timeoutMs: 90_000, everyMs: 200 };

    before(async () => {
      machine = await SystemdMachine.make();
      await machine.boot();
    });
    after(async () => machine[Symbol.asyncDispose]());

    const keymill = async (args: string): Promise<string> =>
      machine.sh(`cd ${CLONE} && ./scripts/keymill ${args}`);
    const asOwner = async (command: string): Promise<string> =>
      machine.sh(`cd ${CLONE} && su links -s /bin/sh -c '${command}'`);

    async function untilFollowed(key: string): Promise<void> {
      await until(
        `a redirect of ${key}`,
        async () =>
          (await machine.sh(
            `curl -s -m 5 -o /dev/null -w '%{redirect_url}' http://127.0.0.1:8080/${key}`,
          )) === 'https://example.com/boot',
        PATIENCE,
      );
    }

    it('starts the cluster as the owner of the clone', async () => {
      const installed = JSON.parse(await keymill('service install --small --json')) as object;
      expect(installed).to.include({ user: 'links', started: true });
      expect(JSON.parse(await keymill('service status --json'))).to.include({
        active: 'active',
        enabled: 'enabled',
      });
      const short = await asOwner('./scripts/keymill shorten https://example.com/boot --alias boot-1');
      expect(short).to.equal('http://127.0.0.1:8080/boot-1\n');
      await untilFollowed('boot-1');
    });

    it('starts a killed mapper again, and leaves the others alone', async () => {
      const pids = async (): Promise<Record<'mappers' | 'mysql', { pid: number }[]>> =>
        JSON.parse(await machine.sh(`cat ${CLONE}/.run/cluster.json`)) as Record<
          'mappers' | 'mysql',
          { pid: number }[]
        >;
      const before = await pids();
      await machine.sh(`kill -9 ${before.mappers[0]?.pid}`);
      await until(
        'another mapper',
        async () => (await pids()).mappers[0]?.pid !== before.mappers[0]?.pid,
        PATIENCE,
      );
      await untilFollowed('boot-1');
      expect((await pids()).mysql).to.deep.equal(before.mysql);
    });

    it('starts all again when the shell that watches is killed', async () => {
      await machine.sh('kill -9 $(systemctl show keymill -p MainPID --value)');
      await until(
        'a restart',
        async () => (await machine.sh('systemctl show keymill -p NRestarts --value')) === '1\n',
        PATIENCE,
      );
      await untilFollowed('boot-1');
    });

    it('comes back after a reboot, with its links', async () => {
      await machine.reboot();
      await untilFollowed('boot-1');
      // A link is followed before all is ready, which is when the service counts as active.
      await until(
        'the service to be active',
        async () => {
          const status = JSON.parse(await keymill('service status --json; true')) as object;
          expect(status).to.include({ active: 'active', restarts: 0 });
          return true;
        },
        PATIENCE,
      );
    });

    it('leaves a cluster alone that its owner has stopped', async () => {
      await asOwner('./scripts/down');
      await until(
        'the end of the service',
        async () => (await machine.sh('systemctl is-active keymill; true')) === 'inactive\n',
        PATIENCE,
      );
      await machine.sh('systemctl start keymill');
      await untilFollowed('boot-1');
    });

    it('is removed, with nothing left running', async () => {
      await keymill('service remove');
      expect(await machine.sh('pgrep -c "^(mariadbd|redis|node)" || true')).to.equal('0\n');
      expect(await machine.sh('ls /etc/systemd/system/keymill.service 2>&1 || true')).to.match(
        /No such file/,
      );
      await machine.reboot();
      expect(await machine.sh('systemctl is-active keymill; true')).to.equal('inactive\n');
    });
  });
