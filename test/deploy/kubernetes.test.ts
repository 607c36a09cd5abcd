import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { expect } from 'chai';
import { SHUTDOWN_DEADLINE_MS as MAPPER_DEADLINE_MS } from '../../mapper/mapper.ts';
import { SHUTDOWN_DEADLINE_MS as PRODUCER_DEADLINE_MS } from '../../producer/supervisor.ts';
import { readMapperConfig, readOperatorConfig, readProducerConfig } from '../../runtime/config/config.ts';
import { Env } from '../../runtime/config/env.ts';
import { readBlobs } from '../../runtime/config/images.ts';
import { environmentOf, faultsAmong } from './kubernetes-checks.ts';
import { faultsBySchema } from './kubernetes-schemas.ts';
import {
  filesOfFolder,
  readAdapterRules,
  readKustomization,
  readManifests,
  readText,
  type Container,
  type Manifest,
  type PodSpec,
} from './manifests.ts';

const REPOSITORY = join(import.meta.dirname, '../..');

/** The files of the Secret that the README's `kubectl create secret` makes. */
const STORES: Readonly<Record<string, string>> = {
  'zookeeper-auth': 'keymill:secret',
  redis: 'redis-1=redis://:secret@redis-1:6379,redis-2=redis://:secret@redis-2:6379',
  'keys-dbs': 'keys-db-1=mysql://keymill:secret@keys:3306/keys_db_1',
  'urls-dbs':
    'urls-1:0-15=mysql://keymill:secret@urls-1:3306/urls,urls-2:16-31=mysql://keymill:secret@urls-2:3306/urls',
  'users-db': 'mysql://keymill:secret@keys:3306/users',
  blobs: 's3://key:secret@s3:9000/keymill',
  'key-secret': 'a secret of sixteen or more',
  'admin-token': 'a-token-of-sixteen-or-more',
};

describe('deploy/kubernetes', () => {
  const manifests = readManifests();

  it('fits the published schemas and has no unknown field', () => {
    expect(manifests.map(({ kind }) => kind)).to.include.members(['Deployment', 'Job', 'NetworkPolicy']);
    expect(manifests.flatMap(faultsBySchema)).to.deep.equal([]);
  });

  it('is consistent: selectors, ports, references and variables', () => {
    expect(faultsAmong(manifests)).to.deep.equal([]);
  });

  it('applies every file', () => {
    const others = ['README.md', 'kustomization.yaml', 'prometheus-adapter-rules.yaml'];
    expect([...readKustomization().resources, ...others]).to.have.members(filesOfFolder());
    const images = manifests.flatMap((manifest) => containersOf(manifest)).map(({ image }) => image);
    expect(readKustomization().images.map(({ name }) => name)).to.include.members(images);
  });

  it('gives each process a valid configuration', () => {
    const folder = mkdtempSync(join(tmpdir(), 'keymill-secret-'));
    try {
      for (const [name, value] of Object.entries(STORES)) writeFileSync(join(folder, name), `${value}\n`);
      const environment = (name: string): Record<string, string | undefined> => {
        const variables = environmentOf(containerOf(name), manifests);
        return Object.fromEntries(
          Object.entries(variables).map(([variable, value]) => [
            variable,
            variable.endsWith('_FILE') ? join(folder, basename(value ?? '')) : value,
          ]),
        );
      };
      const mapper = readMapperConfig(environment('keymill-mapper'));
      const producer = readProducerConfig(environment('keymill-producer'));
      const preparation = readOperatorConfig(environment('keymill-prepare'));
      expect(producer.stores).to.deep.equal(mapper.stores);
      expect(preparation.stores).to.deep.equal(mapper.stores);
      for (const { zookeeper } of [mapper, producer, preparation])
        expect(zookeeper?.auth).to.equal('keymill:secret');
      const ports = Object.fromEntries(
        (containerOf('keymill-mapper').ports ?? []).map(({ name, containerPort }) => [name, containerPort]),
      );
      expect(ports).to.deep.equal({ http: mapper.http.port, admin: mapper.admin.port });
      expect(containerOf('keymill-producer').ports?.[0]?.containerPort).to.equal(producer.admin.port);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('starts programs that exist', () => {
    for (const { args } of manifests.flatMap((manifest) => containersOf(manifest))) {
      expect(existsSync(join(REPOSITORY, args?.[0] ?? 'none')), String(args)).to.equal(true);
    }
  });

  it('gives each process enough time to stop', () => {
    for (const [name, deadlineMs] of [
      ['keymill-mapper', MAPPER_DEADLINE_MS],
      ['keymill-producer', PRODUCER_DEADLINE_MS],
    ] as const) {
      const pod = podOf(name);
      const preStop = pod.containers[0]?.lifecycle?.preStop?.sleep?.seconds ?? 0;
      expect(pod.terminationGracePeriodSeconds, name).to.be.at.least(preStop + deadlineMs / 1_000 + 2);
    }
  });

  it('scales on metrics that the adapter serves, from series that exist', () => {
    const rules = readAdapterRules();
    const wanted = manifests
      .flatMap(({ spec }) => spec?.metrics ?? [])
      .flatMap(({ pods }) => (pods === undefined ? [] : [pods.metric.name]));
    expect(rules.map(({ as }) => as)).to.have.members(wanted);
    const sources = ['mapper/metrics.ts', 'producer/metrics.ts']
      .map((file) => readFileSync(join(REPOSITORY, file), 'utf8'))
      .join('');
    for (const { series } of rules)
      expect(sources, series).to.include(`'${series.replace(/^keymill_/, '')}'`);
  });

  it('says in its README how to make the Secret with all its files', () => {
    const text = readText('README.md');
    const files = (podOf('keymill-mapper').volumes ?? []).flatMap(
      ({ secret }) => secret?.items.map(({ key }) => key) ?? [],
    );
    expect(files).to.have.members(Object.keys(STORES));
    for (const file of files) expect(text).to.include(`--from-file=${file}=`);
  });

  it('needs no file of images, and gives it to nobody who has no use for it', () => {
    const optional = (name: string): (boolean | undefined)[] =>
      (podOf(name).volumes ?? []).flatMap(({ secret }) =>
        secret?.items.some(({ key }) => key === 'blobs') === true ? [secret.optional] : [],
      );
    expect(optional('keymill-mapper')).to.deep.equal([true]);
    expect(optional('keymill-prepare')).to.deep.equal([true]);
    expect(optional('keymill-producer')).to.deep.equal([]);
    const absent = { KEYMILL_BLOBS_FILE: '/run/secrets/keymill-images/blobs' };
    expect(readBlobs(new Env(absent))).to.equal(undefined);
  });

  it('has room for uploads on their way to S3 that is not in memory', () => {
    const mount = containerOf('keymill-mapper').volumeMounts?.find(({ mountPath }) => mountPath === '/tmp');
    const volume = podOf('keymill-mapper').volumes?.find(({ name }) => name === mount?.name);
    expect(volume?.emptyDir).to.deep.equal({ sizeLimit: '2Gi' });
  });

  describe('a mistake', () => {
    const MISTAKES: readonly (readonly [string, (planted: Manifest[]) => void, string])[] = [
      ['a misspelled field', (planted) => put(planted, 'keymill-mapper', 'minReadySecond', 5), 'is no field'],
      ['a wrong type', (planted) => put(planted, 'keymill-mapper', 'minReadySeconds', 'five'), 'integer'],
      ['a field forgotten', (planted) => put(planted, 'keymill-mapper', 'selector', undefined), 'selector'],
      [
        'a field deep inside, misspelled',
        (planted) => Object.assign(of(planted).readinessProbe?.httpGet ?? {}, { pfad: '/readyz' }),
        '/readinessProbe/httpGet/pfad is no field',
      ],
      [
        'a kind without a schema',
        (planted) => Object.assign(planted[0] ?? {}, { kind: 'Deploymant' }),
        'no schema',
      ],
      ['a probe of no port', (planted) => setProbePort(planted, 'admn'), 'a probe of port admn'],
      [
        'a variable that does not exist',
        (planted) => setData(planted, 'KEYMILL_ZOKEEPER', 'x'),
        'no such variable',
      ],
      [
        'a secret in plain text',
        (planted) => setData(planted, 'KEYMILL_KEY_SECRET', 'x'),
        'a secret in a file',
      ],
      [
        'a file that is not mounted',
        (planted) => setData(planted, 'KEYMILL_REDIS_FILE', '/run/secrets/keymill/rediss'),
        'is not mounted',
      ],
      [
        'a map that is missing',
        (planted) => void planted.splice(indexOf(planted, 'ConfigMap'), 1),
        'no ConfigMap',
      ],
      [
        'labels that a selector misses',
        (planted) =>
          Object.assign(specOf(planted).template?.metadata.labels ?? {}, { 'app.kubernetes.io/name': 'x' }),
        'selects no pods',
      ],
      [
        'a target that does not exist',
        (planted) => void planted.splice(indexOf(planted, 'Deployment'), 1),
        'scales',
      ],
      [
        'a writable root',
        (planted) => Object.assign(of(planted), { securityContext: {} }),
        'a writable root',
      ],
      [
        'a port of a Service that no pod has',
        (planted) =>
          Object.assign(planted[indexOf(planted, 'Service')]?.spec?.ports?.[0] ?? {}, { targetPort: 'web' }),
        'no port web',
      ],
    ];
    for (const [what, plant, complaint] of MISTAKES) {
      it(`is found: ${what}`, () => {
        const planted = structuredClone(manifests);
        plant(planted);
        expect([...planted.flatMap(faultsBySchema), ...faultsAmong(planted)].join('\n')).to.include(
          complaint,
        );
      });
    }
  });

  function containersOf({ spec }: Manifest): Container[] {
    return spec?.template?.spec.containers ?? [];
  }

  function podOf(name: string, among = manifests): PodSpec {
    const found = among.find(({ metadata, spec }) => metadata.name === name && spec?.template !== undefined);
    if (found?.spec?.template === undefined) throw new Error(`no workload ${name}`);
    return found.spec.template.spec;
  }

  function containerOf(name: string): Container {
    const [container] = podOf(name).containers;
    if (container === undefined) throw new Error(`no container in ${name}`);
    return container;
  }

  function of(planted: Manifest[]): Container {
    return podOf('keymill-mapper', planted).containers[0] as Container;
  }

  function specOf(planted: Manifest[]): NonNullable<Manifest['spec']> {
    const found = planted.find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'keymill-mapper',
    );
    if (found?.spec === undefined) throw new Error('no mapper');
    return found.spec;
  }

  function put(planted: Manifest[], name: string, field: string, value: unknown): void {
    expect(name).to.equal('keymill-mapper');
    Object.assign(specOf(planted), { [field]: value });
  }

  function setProbePort(planted: Manifest[], port: string): void {
    Object.assign(of(planted).livenessProbe?.httpGet ?? {}, { port });
  }

  function setData(planted: Manifest[], variable: string, value: string): void {
    Object.assign(planted[indexOf(planted, 'ConfigMap')]?.data ?? {}, { [variable]: value });
  }

  function indexOf(planted: Manifest[], kind: string): number {
    const index = planted.findIndex((manifest) => manifest.kind === kind);
    if (index < 0) throw new Error(`no ${kind}`);
    return index;
  }
});
