import type { FoundFacts, ThumbnailSize } from './decoder.ts';

/** What the decoder's process is asked for. */
export type DecoderTask =
  | { readonly kind: 'check'; readonly file: string; readonly found: FoundFacts }
  | { readonly kind: 'thumbnail'; readonly picture: Uint8Array; readonly size: ThumbnailSize };

/** `failure`: why the picture cannot be decoded, for people. `too-much-memory`: the process ends now. */
export type DecoderAnswer =
  | { readonly kind: 'whole' }
  | { readonly kind: 'thumbnail'; readonly bytes: Uint8Array }
  | { readonly kind: 'failure'; readonly why: string }
  | { readonly kind: 'too-much-memory' };
