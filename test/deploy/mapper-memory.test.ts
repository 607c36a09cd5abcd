import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { decoderMemory } from '../../mapper/pictures/decoder-memory.ts';
import { REPOSITORY } from '../../scripts/cluster/run-dir.ts';
import { readManifests } from './manifests.ts';

const GIB = 2 ** 30;

interface Service {
  readonly mem_limit?: string;
  readonly deploy?: { readonly resources: { readonly limits: { readonly memory: string } } };
  readonly environment?: Readonly<Record<string, string>>;
  readonly volumes?: readonly string[];
}

function mapperIn(file: string): Service {
  const text = readFileSync(join(REPOSITORY, file), 'utf8');
  const { services } = parse(text, { merge: true }) as { services: Record<string, Service> };
  return services['mapper'] ?? {};
}

/** `1536Mi`, `1792m`, `1792M`: all of them are MiB. */
function bytesOf(limit: string | undefined): number {
  const [, count] = /^(\d+)M(i)?$/i.exec(limit ?? '') ?? [];
  return Number(count) * 2 ** 20;
}

describe('the memory of a mapper in a container', () => {
  it('is enough for the decoder beside the mapper, wherever we deploy it', () => {
    const inKubernetes = readManifests().find(
      ({ metadata, spec }) => metadata.name === 'keymill-mapper' && spec?.template !== undefined,
    );
    const limits = {
      kubernetes: inKubernetes?.spec?.template?.spec.containers[0]?.resources?.limits?.['memory'],
      compose: mapperIn('docker-compose.yml').mem_limit,
      swarm: mapperIn('deploy/swarm.yml').deploy?.resources.limits.memory,
    };
    for (const [where, limit] of Object.entries(limits))
      expect(decoderMemory(GIB, bytesOf(limit)), where).to.equal(GIB);
  });

  it('is not used up by its decoder where there is less', () => {
    expect(decoderMemory(GIB, 0)).to.equal(GIB);
    expect(decoderMemory(GIB, 64 * GIB)).to.equal(GIB);
    expect(decoderMemory(GIB, GIB)).to.equal(GIB / 2);
    expect(decoderMemory(GIB, GIB / 2)).to.equal(GIB / 8);
  });

  for (const file of ['docker-compose.yml', 'deploy/swarm.yml']) {
    it(`is not taken by uploads: they are in a volume (${file})`, () => {
      const { environment, volumes = [] } = mapperIn(file);
      const folders = volumes.map((volume) => volume.split(':')[1]);
      expect(folders).to.include(environment?.['TMPDIR']);
    });
  }
});
