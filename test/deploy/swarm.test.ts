import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { parse } from 'yaml';
import { swarmFile } from '../../scripts/containers/swarm.ts';

const DEPLOY = join(import.meta.dirname, '../../deploy');

interface Stack {
  readonly services: Record<string, { volumes?: string[]; deploy: { placement?: unknown } }>;
  readonly configs: Record<string, { file: string }>;
}

describe('deploy/swarm.yml', () => {
  const written = readFileSync(join(DEPLOY, 'swarm.yml'), 'utf8');

  it('is generated from docker-compose.yml, byte for byte', () => {
    expect(written, 'to write it again: node scripts/swarm.ts').to.equal(swarmFile());
  });

  it('has no dash in the message for a missing variable: a swarm client reads the rest as its value', () => {
    for (const [, message] of written.matchAll(/\$\{\w+:\?([^}]*)\}/g)) expect(message).not.to.include('-');
  });

  it('publishes no port: deploy/swarm-public.yml does, because a swarm opens it on all addresses', () => {
    expect(written).not.to.include('published');
    const { services } = parse(readFileSync(join(DEPLOY, 'swarm-public.yml'), 'utf8')) as Stack;
    expect(Object.keys(services)).to.deep.equal(['haproxy']);
  });

  it('contains no secret, pins services with data to a node, and uses only files that exist', () => {
    const { services, configs } = parse(written) as Stack;
    expect(written).not.to.match(/(PASSWORD|SECRET): /);
    for (const [name, { volumes, deploy }] of Object.entries(services)) {
      if (volumes === undefined) continue;
      // The nodes of images are one, or share the volume.
      const label = ['mapper', 'prepare'].includes(name) ? 'blobs' : name;
      expect(deploy.placement, name).to.deep.include({
        constraints: [`node.labels.keymill.${label} == true`],
      });
    }
    for (const { file } of Object.values(configs)) {
      expect(readFileSync(join(DEPLOY, file), 'utf8')).not.to.equal('');
    }
  });
});
