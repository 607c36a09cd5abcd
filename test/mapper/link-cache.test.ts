import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect } from 'chai';
import { LinkCache, type CachedLink } from '../../mapper/link-cache.ts';

function link(originalUrl: string): CachedLink {
  return { originalUrl, expiresAtMs: undefined };
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

  it('does not store what was being read when the key changed', () => {
    const before = cache.beginFill('known');
    cache.invalidate('known');
    const after = cache.beginFill('known');
    expect([before.isStale, after.isStale]).to.deep.equal([true, false]);
    after.store(link('https://example.com/new'));
    before.store(link('https://example.com/old'));
    expect(cache.get('known')).to.deep.equal(link('https://example.com/new'));
  });

  it('does not store what was being read when everything was flushed', () => {
    const before = cache.beginFill('known');
    cache.flush();
    before.store('unknown');
    before.end();
    expect(cache.get('known')).to.equal(undefined);
  });

  it('lets no fill of one key touch another', () => {
    const one = cache.beginFill('one');
    cache.invalidate('two');
    one.store(link('https://example.com/'));
    expect(cache.get('one')).to.not.equal(undefined);
  });

  it('replaces an unknown key by its link, and the other way round', () => {
    store('key', 'unknown');
    store('key', link('https://example.com/'));
    expect(cache.get('key')).to.deep.equal(link('https://example.com/'));
    store('key', 'unknown');
    expect(cache.get('key')).to.equal('unknown');
    expect(cache.size).to.equal(1);
  });

  it('keeps tombstones as links without a target', () => {
    store('buried', { originalUrl: undefined, expiresAtMs: undefined });
    expect(cache.get('buried')).to.deep.equal({ originalUrl: undefined, expiresAtMs: undefined });
  });

  it('lets no flood of unknown keys crowd out the links', () => {
    for (let index = 0; index < 1_000; index += 1) store(`link-${index}`, link('https://example.com/'));
    for (let index = 0; index < 100_000; index += 1) store(`none-${index}`, 'unknown');
    for (let index = 0; index < 1_000; index += 1) expect(cache.get(`link-${index}`)).to.not.equal(undefined);
    expect(cache.bytes).to.be.at.most(2 ** 20);
  });

  it('takes the memory it accounts for, within a third', () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const large = new LinkCache({ maxBytes: 2 ** 30, ttlMs: 60_000, now: () => nowMs });
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let index = 0; index < 200_000; index += 1) {
      const fill = large.beginFill(`key-${index}`);
      fill.store(link(`https://example.com/some/path/of/ordinary/length?number=${index}`));
      fill.end();
    }
    collect();
    const used = process.memoryUsage().heapUsed - before;
    expect(used / large.bytes).to.be.within(0.67, 1.33);
  });
});
