;; wants two replicas of one CPU: the answer must be ok
;; world: replicas-plugin
(module
  (memory (export "memory") 2)
  (global $top (mut i32) (i32.const 4096))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (local $at i32)
    (local.set $at (i32.and (i32.add (global.get $top) (i32.const 7)) (i32.const -8)))
    (global.set $top (i32.add (local.get $at) (local.get 3)))
    (local.get $at))
  (func (export "flotilla:interpreter/replicas@1.0.0#declare") (result i32) (i32.const 32))
  ;; at 128: ok(2 replicas, explicit(text at 200, 31 bytes)), whose CPU is a number as some plugins write it
  (data (i32.const 128) "\00\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\02\00\00\00\c8\00\00\00\1f\00\00\00")
  (data (i32.const 200) "{\22resourceRequest\22: {\22cpu\22: 1}}")
  (func (export "flotilla:interpreter/replicas@1.0.0#interpret") (param i32 i32) (result i32) (i32.const 128)))
