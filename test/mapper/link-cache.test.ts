import { join } from 'node:path';
import { expect } from 'chai';
import * as fc from 'fast-check';
import { simulateHitRate } from '../../bench/cache/hit-rate.ts';
import type { MemoryPerLink } from '../../bench/cache/memory-per-link.ts';
import { Child } from '../../bench/load/child.ts';
import { LinkCache, type CachedLink } from '../../mapper/cache/link-cache.ts';
import { median } from '../../runtime/statistics.ts';

const MEMORY_PROCESS = join(import.meta.dirname, '../../bench/cache/memory-per-link-main.ts');

function link(longUrl: string): CachedLink {
  return { longUrl, expiresAtMs: undefined };
}

/** In a process of its own: here, what earlier tests have left may be collected meanwhile. */
async function measureMemory(): Promise<MemoryPerLink> {
  await using child = new Child('cache-memory', MEMORY_PROCESS, new AbortController().signal);
  return await child.ask<MemoryPerLink>(22 * 2 ** 20, 60_000);
}

describe('the link cache', () => {
  let nowMs: number;
  let cache: LinkCache;

  beforeEach(() => {
    nowMs = 0;
    cache = new LinkCache({ maxBytes: 2 ** 20, ttlMs: 60_000, now: () => nowMs });
  });

  function store(key: string, entry: CachedLink | 'unknown'): void {
    const fill = cache.beginFill(key);
    fill.store(entry);
    fill.end();
  }

  it('keeps links for their time to live, and unknown keys for 5 s', () => {
    store('known', link('https://example.com/'));
    store('none', 'unknown');
    nowMs = 5_000;
    expect(cache.get('none')).to.equal('unknown');
    nowMs = 5_001;
    expect(cache.get('none')).to.equal(undefined);
    nowMs = 60_000;
    expect(cache.get('known')).to.deep.equal(link('https://example.com/'));
    nowMs = 60_001;
    expect(cache.get('known')).to.equal(undefined);
    expect(cache.getStale('known')).to.deep.equal(link('https://example.com/'));
    expect(cache.getStale('none')).to.equal(undefined);
  });

  it('forgets a key that changed, stale or not', () => {
    store('known', link('https://example.com/'));
    store('none', 'unknown');
    cache.invalidate('known');
    cache.invalidate('none');
    expect([cache.get('known'), cache.getStale('known'), cache.get('none')]).to.deep.equal([
      undefined,
      undefined,
      undefined,
    ]);
    expect(cache.size).to.equal(0);
  });

  it('does not store an answer that was being read when its key changed', () => {
    const before = cache.beginFill('known');
    cache.invalidate('known');
    const after = cache.beginFill('known');
    expect([before.isStale, after.isStale]).to.deep.equal([true, false]);
    after.store(link('https://example.com/new'));
    before.store(link('https://example.com/old'));
    expect(cache.get('known')).to.deep.equal(link('https://example.com/new'));
  });

  it('does not store an answer that was being read when the cache was flushed', () => {
    const before = cache.beginFill('known');
    cache.flush();
    before.store('unknown');
    before.end();
    expect(cache.get('known')).to.equal(undefined);
  });

  it('requires the primary for a key that has changed: once, or for its time to live where replicas may lag', () => {
    for (const readsMayLag of [false, true]) {
      nowMs = 0;
      const some = new LinkCache({
        maxBytes: 2 ** 20,
        ttlMs: 60_000,
        readsMayLag,
        now: () => nowMs,
      });
      const needsPrimary = (): boolean => {
        const fill = some.beginFill('key');
        fill.store(link('https://example.com/'));
        fill.end();
        return fill.needsPrimary;
      };
      expect(needsPrimary()).to.equal(false);
      some.invalidate('key');
      nowMs = 60_000;
      expect([needsPrimary(), needsPrimary()]).to.deep.equal([true, readsMayLag]);
      nowMs = 60_001;
      expect(needsPrimary()).to.equal(false);
    }
  });

  it('remembers which keys changed, however many links are made meanwhile', () => {
    cache.invalidate('changed');
    for (let i = 0; i < 50_000; i += 1) cache.appeared(`made-${i}`);
    const fills = ['changed', 'made-49999'].map((key) => cache.beginFill(key));
    expect(fills.map(({ needsPrimary }) => needsPrimary)).to.deep.equal([true, false]);
  });

  it('does not store a key as unknown when its link was made during the read', () => {
    store('known-absent', 'unknown');
    const fill = cache.beginFill('being-read');
    for (const key of ['known-absent', 'being-read']) cache.appeared(key);
    fill.store('unknown');
    expect([cache.get('known-absent'), cache.get('being-read')]).to.deep.equal([undefined, undefined]);
  });

  it('changes no other key when it stores one', () => {
    const one = cache.beginFill('one');
    cache.invalidate('two');
    one.store(link('https://example.com/'));
    expect(cache.get('one')).to.not.equal(undefined);
  });

  it('replaces an unknown key by its link, and a link by an unknown key', () => {
    store('key', 'unknown');
    store('key', link('https://example.com/'));
    expect(cache.get('key')).to.deep.equal(link('https://example.com/'));
    store('key', 'unknown');
    expect(cache.get('key')).to.equal('unknown');
    expect(cache.size).to.equal(1);
  });

  it('keeps tombstones as links without a target', () => {
    store('buried', { longUrl: undefined, expiresAtMs: undefined });
    expect(cache.get('buried')).to.deep.equal({ longUrl: undefined, expiresAtMs: undefined });
  });

  it('keeps its links, however many unknown keys are requested', () => {
    for (let index = 0; index < 1_000; index += 1) store(`link-${index}`, link('https://example.com/'));
    for (let index = 0; index < 100_000; index += 1) store(`none-${index}`, 'unknown');
    for (let index = 0; index < 1_000; index += 1) expect(cache.get(`link-${index}`)).to.not.equal(undefined);
    expect(cache.bytes).to.be.at.most(2 ** 20);
  });

  it('finds the target of a link that is neither deleted nor expired and can be sent, and of no other', () => {
    store('known', link('https://example.com/'));
    store('expiring', { longUrl: 'https://example.com/brief', expiresAtMs: 1_000 });
    store('buried', { longUrl: undefined, expiresAtMs: undefined });
    store('none', 'unknown');
    const unusable = { longUrl: 'https://x/\r\na', expiresAtMs: 2_000 };
    store('unusable', unusable);
    expect(cache.get('unusable')).to.deep.equal(unusable);
    expect(cache.findTarget('known', nowMs, () => 1_000)).to.equal('https://example.com/');
    expect(cache.findTarget('expiring', nowMs, () => 999)).to.equal('https://example.com/brief');
    expect(cache.findTarget('expiring', nowMs, () => 1_000)).to.equal(undefined);
    expect(cache.get('expiring')).to.deep.equal({
      longUrl: 'https://example.com/brief',
      expiresAtMs: 1_000,
    });
    for (const key of ['buried', 'none', 'never-seen', 'unusable'])
      expect(
        cache.findTarget(key, nowMs, () => 0),
        key,
      ).to.equal(undefined);
    nowMs = 60_001;
    expect(cache.findTarget('known', nowMs, () => 1_000)).to.equal(undefined);
  });

  it('keeps a new link for a while, also when it is full of popular links', () => {
    const small = new LinkCache({ maxBytes: 2 ** 18, ttlMs: 60_000, now: () => nowMs, seed: 1 });
    const put = (key: string): void => {
      const fill = small.beginFill(key);
      fill.store(link('https://example.com/'));
      fill.end();
    };
    for (let index = 0; index < 3_000; index += 1) {
      put(`link-${index}`);
      for (let hit = 0; hit < 20; hit += 1) small.findTarget(`link-${index}`, nowMs, () => 0);
    }
    put('newcomer');
    expect(small.findTarget('newcomer', nowMs, () => 0)).to.equal('https://example.com/');
    expect(small.bytes).to.be.at.most(2 ** 18);
  });

  it('behaves like a plain map while everything fits, for any sequence of stores, reads and removals', () => {
    const step = fc.record({
      action: fc.constantFrom('store', 'store', 'store', 'ask', 'invalidate'),
      number: fc.integer({ min: 0, max: 150 }),
      target: fc.webUrl(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const roomy = new LinkCache({ maxBytes: 2 ** 20, ttlMs: 60_000, now: () => 0 });
        const model = new Map<string, string>();
        for (const { action, number, target } of steps) {
          const key = `key-${number}`;
          if (action === 'invalidate') {
            roomy.invalidate(key);
            model.delete(key);
          } else if (action === 'store') {
            const fill = roomy.beginFill(key);
            fill.store(link(target));
            fill.end();
            model.set(key, target);
          }
          expect(roomy.findTarget(key, 0, () => 0)).to.equal(model.get(key));
          expect(roomy.size).to.equal(model.size);
        }
        for (const [key, target] of model) expect(roomy.get(key)).to.deep.equal(link(target));
      }),
      { numRuns: 30 },
    );
  });

  it('has nearly the best possible hit rate, and soon again after other links have become popular', function () {
    this.timeout(120_000);
    const alpha = 0.9;
    const links = 50_000;
    const cached = 500;
    const shape = { alpha, links, cached, segment: 100 * cached, seed: 7 };
    const steady = simulateHitRate({ ...shape, warmUp: 300 * cached, requests: 100 * cached });
    expect(steady.cachedLinks).to.be.within(cached * 0.98, cached * 1.02);
    expect((steady.segments[0] ?? 0) / steady.best).to.be.within(0.97, 1.01);
    const shifted = simulateHitRate({ ...shape, warmUp: 200 * cached, requests: 200 * cached, shift: true });
    expect((shifted.segments[1] ?? 0) / shifted.best).to.be.at.least(0.95);
  });

  it('uses the memory that it accounts for, at most 1.5 times that of a plain map', async function () {
    this.timeout(120_000);
    // The median of three: one map alone may take a tenth less or more.
    const answers = [await measureMemory(), await measureMemory(), await measureMemory()];
    for (const { links } of answers) expect(links).to.be.at.least(100_000);
    expect(median(answers.map(({ cache: measured, map }) => measured / map))).to.be.at.most(1.5);
    const shares = answers.map(({ cache: measured, accounted }) => measured / accounted);
    expect(median(shares)).to.be.within(0.67, 1.33);
  });
});
