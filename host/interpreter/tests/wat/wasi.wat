;; asks WASI for the environment, the time and random bytes, and traps unless there is nothing: the answer must be ok
;; world: health-plugin
;; wit: package wasi:cli@0.2.3 { interface environment { get-environment: func() -> list<tuple<string, string>>; } }
;; wit: package wasi:clocks@0.2.3 { interface monotonic-clock { now: func() -> u64; } }
;; wit: package wasi:random@0.2.3 { interface random { get-random-u64: func() -> u64; } }
;; import: wasi:cli/environment@0.2.3
;; import: wasi:clocks/monotonic-clock@0.2.3
;; import: wasi:random/random@0.2.3
(module
  (import "wasi:cli/environment@0.2.3" "get-environment" (func $environment (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.3" "now" (func $now (result i64)))
  (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32)
    (call $environment (i32.const 256))
    (if (i32.load (i32.const 260)) (then unreachable))
    (if (i64.ne (call $now) (i64.const 0)) (then unreachable))
    (if (i64.ne (call $random) (i64.const 0)) (then unreachable))
    (i32.const 128)))
