import type { FoundFacts, ThumbnailSize } from './decoder.ts';

/** What the decoder's process is asked for. */
export type DecoderTask =
  | { readonly kind: 'check'; readonly file: string; readonly found: FoundFacts }
  /** Of the pieces that came before. */
  | { readonly kind: 'thumbnail'; readonly size: ThumbnailSize };

/** What it is sent. A large picture in one message would hold up those who wait for redirects. */
export type DecoderMessage = DecoderTask | { readonly kind: 'piece'; readonly bytes: Uint8Array };

/**
 * `ready`: it has started. `failure`: why the picture cannot be decoded, for people. `too-much-memory`: the
 * process ends now.
 */
export type DecoderAnswer =
  | { readonly kind: 'ready' }
  | { readonly kind: 'whole' }
  | { readonly kind: 'thumbnail'; readonly bytes: Uint8Array }
  | { readonly kind: 'failure'; readonly why: string }
  | { readonly kind: 'too-much-memory' };
