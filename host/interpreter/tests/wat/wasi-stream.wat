;; writes to WASI's standard output, and traps unless that succeeds: the answer must be ok
;; world: health-plugin
;; wit: package wasi:io@0.2.3 { interface streams { resource output-stream { check-write: func() -> result<u64>; write: func(contents: list<u8>) -> result; } } }
;; wit: package wasi:cli@0.2.3 { interface stdout { use wasi:io/streams@0.2.3.{output-stream}; get-stdout: func() -> output-stream; } }
;; import: wasi:io/streams@0.2.3
;; import: wasi:cli/stdout@0.2.3
(module
  (import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.check-write" (func $check (param i32 i32)))
  (import "wasi:io/streams@0.2.3" "[method]output-stream.write" (func $write (param i32 i32 i32) (result i32)))
  (import "wasi:io/streams@0.2.3" "[resource-drop]output-stream" (func $drop (param i32)))
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "flotilla:interpreter/health@1.0.0#declare") (result i32) (i32.const 32))
  (func (export "flotilla:interpreter/health@1.0.0#assess") (param i32 i32) (result i32)
    (local $stream i32)
    (local.set $stream (call $stdout))
    ;; at 256: ok(how many bytes it takes)
    (call $check (local.get $stream) (i32.const 256))
    (if (i32.load8_u (i32.const 256)) (then unreachable))
    (if (i64.eqz (i64.load (i32.const 264))) (then unreachable))
    (if (call $write (local.get $stream) (i32.const 0) (i32.const 5)) (then unreachable))
    (call $drop (local.get $stream))
    (i32.const 128)))
